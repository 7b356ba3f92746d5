import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/events.ts';
import { openRedisStore } from '../../src/storage/redis/redis.ts';
import { fileOf } from '../docs/pages.ts';
import { freePort, hasRedis } from '../storage/redis/redis-servers.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-ha-'));
const secrets = join(folder, 'secrets');
const ends: (() => Promise<void>)[] = [];
afterAll(async () => {
  await Promise.all(ends.map((end) => end()));
  rmSync(folder, { recursive: true });
});

const ours = (name: string) => readFileSync(fileOf(`deploy/ha/${name}`), 'utf8');
const inSecrets = (name: string) => join(secrets, name);

/** Starts a server of the profile with what loopback needs in place of the network of Compose. */
function launch(name: string, text: string, ...words: readonly string[]): () => Promise<void> {
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, text);
  const child = spawn('redis-server', [file, ...words], { stdio: 'ignore' });
  const exited = once(child, 'exit');
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  };
  ends.push(end);
  return end;
}

function redis(name: string, port: number, primary?: number): () => Promise<void> {
  mkdirSync(join(folder, name));
  const text = ours('redis.conf')
    .replaceAll('/run/secrets', secrets)
    .replace('dir /data', `dir ${join(folder, name)}`)
    .replace('port 6379', `port ${port}\nbind 127.0.0.1`);
  return launch(name, primary === undefined ? text : `${text}\nreplicaof 127.0.0.1 ${primary}\n`);
}

function sentinel(name: string, port: number, primary: number): void {
  mkdirSync(join(folder, name));
  const text = ours('sentinel.conf')
    .replace('redis-1 6379', `127.0.0.1 ${primary}`)
    .replace('dir /run/sentinel', `dir ${join(folder, name)}`)
    .replace('port 26379', `port ${port}\nbind 127.0.0.1`)
    .replace('down-after-milliseconds bank 5000', 'down-after-milliseconds bank 1000');
  launch(name, `${text}\n${readFileSync(inSecrets('sentinel.conf'), 'utf8')}`, '--sentinel');
}

const secretOf = (name: string) => readFileSync(inSecrets(name), 'utf8');

/** Waits until the answer to a command has this text. */
async function factIs(
  options: { readonly port: number; readonly username?: string; readonly password?: string },
  [command = '', ...words]: readonly string[],
  text: string,
): Promise<void> {
  const admin = new Redis({ host: '127.0.0.1', retryStrategy: () => 100, ...options });
  admin.on('error', () => {});
  try {
    await expect
      .poll(async () => String(await admin.call(command, ...words)), { timeout: 30_000 })
      .toContain(text);
  } finally {
    admin.disconnect();
  }
}

describe.skipIf(!hasRedis)('Redis and Sentinels of docker-compose.yml, profile ha', () => {
  it('keep what the store was promised when the primary is killed, with the users and passwords of secrets.sh', async () => {
    // Without the right to give files away the script ends there.
    if (process.getuid?.() !== 0) return;
    execFileSync('sh', [fileOf('deploy/ha/secrets.sh'), secrets]);
    for (const name of ['store-secret', 'redis-password', 'redis-users.acl'])
      expect(statSync(inSecrets(name)).mode & 0o777).toBe(0o400);
    expect(Buffer.from(readFileSync(inSecrets('store-secret'), 'utf8'), 'base64url')).toHaveLength(32);

    const primary = await freePort();
    const kill = redis('redis-1', primary);
    for (const name of ['redis-2', 'redis-3']) redis(name, await freePort(), primary);
    await factIs(
      { port: primary, username: 'tallystick', password: secretOf('redis-password') },
      ['info', 'replication'],
      'connected_slaves:2',
    );
    const sentinels = await Promise.all([1, 2, 3].map(() => freePort()));
    for (const [at, port] of sentinels.entries()) sentinel(`sentinel-${at + 1}`, port, primary);
    for (const port of sentinels) await factIs({ port }, ['sentinel', 'master', 'bank'], 'num-slaves,2');
    const settings = {
      sentinels: sentinels.map((port) => `127.0.0.1:${port}`),
      sentinelName: 'bank',
      usernameFile: inSecrets('redis-user'),
      passwordFile: inSecrets('redis-password'),
      keyPrefix: 'tallystick',
      waitReplicas: 1,
      waitTimeoutMilliseconds: 400,
      timeoutMilliseconds: 1000,
    };
    const store = await openRedisStore({ settings, clock: systemClock, log: silentLog });
    const record = { value: 1, expiresAt: new Date(systemClock.now().getTime() + 600_000) };
    const isStored = (id: string) =>
      store.put('Token', id, record).then(
        () => true,
        () => false,
      );
    // A primary takes no writes before its replicas have reported.
    await expect.poll(() => isStored('before'), { timeout: 30_000 }).toBe(true);
    for (const port of sentinels) {
      await factIs({ port }, ['sentinel', 'master', 'bank'], 'num-slaves,2,num-other-sentinels,2');
    }
    await kill();
    await expect.poll(() => isStored('after'), { timeout: 30_000 }).toBe(true);
    // Reads have a connection of their own, which finds the new primary by itself.
    const found = () =>
      store.find('Token', 'before').then(
        (one) => one?.value,
        () => undefined,
      );
    await expect.poll(found, { timeout: 30_000 }).toBe(1);
    await store.close();
  }, 120_000);
});
