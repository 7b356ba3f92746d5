import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

/** Whether the machine has a `redis-server`; in CI it must. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis) {
  if (process.env.CI !== undefined) throw new Error('CI needs redis-server');
  process.stderr.write('skipped: the tests on Redis, since this machine has no redis-server\n');
}

/** One redis-server process, which dies with the test. */
export interface RedisProcess {
  readonly port: number;
  readonly process: ChildProcess;
  /** A connection of the test itself. */
  readonly admin: Redis;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
  /** The same server again, on its port and in its folder. */
  restart(): Promise<RedisProcess>;
}

const folder = hasRedis ? mkdtempSync(join(tmpdir(), 'tallystick-redis-')) : '';
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
  if (hasRedis) rmSync(folder, { recursive: true, force: true });
});

/** Starts a server that keeps an append-only file, with `extra` settings as command-line words. */
export async function startRedis(...extra: string[]): Promise<RedisProcess> {
  const port = await freePort();
  return launch(port, mkdtempSync(join(folder, `${port}-`)), extra);
}

async function launch(port: number, dir: string, extra: readonly string[]): Promise<RedisProcess> {
  const isTls = extra.includes('--tls-port');
  const common = ['--bind', '127.0.0.1', '--dir', dir, '--loglevel', 'warning', '--save', ''];
  const own = extra.includes('--sentinel') ? [] : ['--appendonly', 'yes', '--repl-diskless-sync-delay', '0'];
  const words = isTls ? [...extra, '--port', '0'] : ['--port', String(port), ...extra];
  const first = extra.includes('--sentinel') ? words : [...words, ...common, ...own];
  const child = spawn(
    'redis-server',
    first.map((word) => word.replace('PORT', String(port))),
    {
      stdio: 'ignore',
      cwd: dir,
    },
  );
  running.add(child);
  const ended = once(child, 'exit').then(() => running.delete(child));
  const admin = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => 50 });
  admin.on('error', () => {});
  if (!isTls) await answering(admin);
  return {
    port,
    process: child,
    admin,
    kill: async () => {
      admin.disconnect();
      child.kill('SIGCONT');
      child.kill('SIGKILL');
      await ended;
    },
    restart: () => launch(port, dir, extra),
  };
}

async function answering(admin: Redis): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await admin.ping();
      return;
    } catch (error) {
      if (attempt > 100) throw error;
      await sleep(50);
    }
  }
}

/** A port that was free a moment ago, of those that leave room for a Cluster's bus at +10000. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    if (port < 55_000) return port;
    const low = 20_000 + Math.trunc(Math.random() * 10_000);
    if (await isFree(low)) return low;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.listen(port, '127.0.0.1');
  const free = await listening;
  if (free) {
    server.close();
    await once(server, 'close');
  }
  return free;
}
