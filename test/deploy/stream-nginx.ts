import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../free-port.ts';
import { fileOf } from '../docs/pages.ts';
import type { Ports } from '../durability/bank.ts';
import { untilItListens } from '../listening.ts';

/** Debian has the module of TCP in a package of its own, which the official image has built in. */
const MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

/** Why nginx cannot balance TCP on this machine; undefined where it can. */
export const NO_STREAM = ((): string | undefined => {
  const { error, stderr = '' } = spawnSync('nginx', ['-V'], { env, encoding: 'utf8' });
  if (error !== undefined) return 'nginx is not installed';
  if (existsSync(MODULE) || /--with-stream( |$)/m.test(stderr)) return undefined;
  return 'nginx has no stream module (libnginx-mod-stream)';
})();

export interface StreamNginx {
  readonly ports: Pick<Ports, 'front' | 'mtls'>;
  /** One line for each connection. */
  log(): string;
  close(): Promise<void>;
}

/** The nginx of docker-compose.yml, profile ha, in front of two servers of loopback. */
export async function startStreamNginx(servers: readonly [Ports, Ports]): Promise<StreamNginx> {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-stream-'));
  const ports = { front: await freePort(), mtls: await freePort() };
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, onLoopback(servers, ports, folder));
  const child = spawn('nginx', ['-c', file, '-g', 'daemon off;'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await untilItListens(ports.mtls, child);
  return {
    ports,
    log: () => readFileSync(join(folder, 'access.log'), 'utf8'),
    close: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** deploy/ha/nginx.conf as it is, but for addresses and the places of files. */
function onLoopback(servers: readonly [Ports, Ports], ports: StreamNginx['ports'], folder: string): string {
  const text = readFileSync(fileOf('deploy/ha/nginx.conf'), 'utf8');
  const changes = {
    'server-1:8443': `127.0.0.1:${servers[0].front}`,
    'server-1:8444': `127.0.0.1:${servers[0].mtls}`,
    'server-2:8443': `127.0.0.1:${servers[1].front}`,
    'server-2:8444': `127.0.0.1:${servers[1].mtls}`,
    'listen 8443;': `listen 127.0.0.1:${ports.front};`,
    'listen 8444;': `listen 127.0.0.1:${ports.mtls};`,
    '/run/nginx/nginx.pid': join(folder, 'nginx.pid'),
    '/dev/stdout': join(folder, 'access.log'),
  };
  const changed = Object.entries(changes).reduce((last, [from, to]) => {
    if (!last.includes(from)) throw new Error(`deploy/ha/nginx.conf has no ${from}`);
    return last.replace(from, to);
  }, text);
  return existsSync(MODULE) ? `load_module ${MODULE};\n${changed}` : changed;
}
