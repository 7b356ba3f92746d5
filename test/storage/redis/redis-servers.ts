import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

/** One redis-server process, which ends with the test. */
export interface RedisProcess {
  readonly port: number;
  readonly process: ChildProcess;
  /** A connection of the test itself. Not there with TLS. */
  readonly admin: Redis;
  /** SIGKILL, as in a crash. */
  kill(): Promise<void>;
  /** The same server again, on its port and in its folder. */
  restart(): Promise<RedisProcess>;
}

export interface RedisProcessOptions {
  /** Lines of its configuration. `PORT` in them is the port. */
  readonly lines?: readonly string[];
  readonly isSentinel?: boolean;
  /** The password of the test's own connection. */
  readonly password?: string;
  /** The server listens with TLS only; the lines say the rest. */
  readonly isTls?: boolean;
}

const folder = hasRedis ? mkdtempSync(join(tmpdir(), 'tallystick-redis-')) : '';
const running = new Set<ChildProcess>();
const endAll = () => {
  for (const child of running) child.kill('SIGKILL');
  if (hasRedis) rmSync(folder, { recursive: true, force: true });
};
process.once('exit', endAll);
// A test that failed leaves servers behind, and its runner may be ended by a signal or by the loss of its channel.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.once(signal, () => {
    endAll();
    process.exit(1);
  });
}
process.once('disconnect', endAll);

/** Starts a server on loopback that keeps an append-only file. */
export async function startRedis(options: RedisProcessOptions = {}): Promise<RedisProcess> {
  const port = await freePort();
  const dir = mkdtempSync(join(folder, `${port}-`));
  const own = ['appendonly yes', 'save ""', 'repl-diskless-sync-delay 0', 'enable-debug-command yes'];
  const lines = [
    options.isTls === true ? 'port 0' : `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    'loglevel warning',
    ...(options.isSentinel === true ? [] : own),
    ...(options.lines ?? []),
  ];
  const file = join(dir, 'redis.conf');
  writeFileSync(file, `${lines.join('\n').replaceAll('PORT', String(port))}\n`);
  return launch(port, file, options);
}

async function launch(port: number, file: string, options: RedisProcessOptions): Promise<RedisProcess> {
  const words = options.isSentinel === true ? [file, '--sentinel'] : [file];
  const child = spawn('redis-server', words, { stdio: 'ignore' });
  running.add(child);
  const ended = once(child, 'exit').then(() => running.delete(child));
  const admin = new Redis({
    ...(options.password === undefined ? {} : { password: options.password }),
    port,
    host: '127.0.0.1',
    retryStrategy: () => 50,
    lazyConnect: options.isTls === true,
  });
  admin.on('error', () => {});
  if (options.isTls === true) await accepting(port, child);
  else await admin.ping();
  return {
    port,
    process: child,
    admin,
    kill: async () => {
      admin.disconnect();
      child.kill('SIGKILL');
      await ended;
    },
    restart: () => launch(port, file, options),
  };
}

async function accepting(port: number, child: ChildProcess): Promise<void> {
  while (await isFree(port)) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    await sleep(20);
  }
}

/** A port that was free a moment ago, with the one at +10000 for the bus of a Cluster. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.trunc(Math.random() * 2700);
    if ((await isFree(port)) && (await isFree(port + 10_000))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server, 'listening').then(
    () => true,
    () => false,
  );
  server.listen(port, '127.0.0.1');
  if (!(await listening)) return false;
  const { port: found } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return found === port;
}
