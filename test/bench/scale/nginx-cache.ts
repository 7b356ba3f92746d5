import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../free-port.ts';
import { untilItListens } from '../../listening.ts';

/** The workers of nginx would otherwise be of a user who may not write here. */
const isRoot = process.getuid?.() === 0;
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** nginx with one cache, on a free port of loopback. */
export interface NginxCache {
  readonly port: number;
  /** Answers by what the cache did (`HIT`, `MISS`, `EXPIRED`, …). */
  statuses(): Promise<ReadonlyMap<string, number>>;
  close(): Promise<void>;
}

/** `linesFor` writes the lines of docs/scale.md, which belong into `http`, for a port. The folder is made. */
export async function startNginxCache(
  folder: string,
  linesFor: (port: number) => string,
): Promise<NginxCache> {
  const port = await freePort();
  mkdirSync(folder);
  const [file, log] = [join(folder, 'nginx.conf'), join(folder, 'access.log')];
  writeFileSync(
    file,
    `${isRoot ? 'user root; ' : ''}daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
worker_processes 1; worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  log_format status '$upstream_cache_status';
  access_log ${log} status;
  keepalive_requests 100000000;
  ${TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  ${linesFor(port)}
}
`,
  );
  const child = spawn('nginx', ['-c', file, '-p', folder], {
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  process.once('exit', () => child.kill());
  await untilItListens(port, child);
  return {
    port,
    statuses: async () => countsOf((await readFile(log, 'utf8')).trimEnd().split('\n')),
    close: async () => {
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

function countsOf(lines: readonly string[]): ReadonlyMap<string, number> {
  return new Map([...Map.groupBy(lines, (line) => line)].map(([status, all]) => [status, all.length]));
}
