import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import type { Log, EventFields } from '../../../src/events.ts';
import { createAuthority, type IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { openRedisStore } from '../../../src/storage/redis/redis.ts';
import { REDIS_SCHEMA } from '../../../src/storage/redis/redis-schema.ts';
import type { RedisSettings } from '../../../src/storage/redis/redis-settings.ts';
import { readPage } from '../../docs/pages.ts';
import { codeOf, inSeconds, openStore, redisSettings } from './redis-contract.ts';
import { until } from './redis-groups.ts';
import { freePort, hasRedis, startRedis } from './redis-servers.ts';

/** What docs/operate.md grants to the user, and no more. */
const PERMISSIONS = (
  /^user tallystick on >PASSWORD (~[^`]+)/m.exec(readPage('docs/operate.md').text)?.[1] ?? ''
)
  .replace('~tallystick:*', '~test-*')
  .replaceAll(/\s+/g, ' ')
  .trim();

const folder = mkdtempSync(join(tmpdir(), 'tallystick-redis-access-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
};

interface Told {
  readonly event: string;
  readonly fields: EventFields | undefined;
}

function listeningLog(): { readonly log: Log; readonly told: Told[] } {
  const told: Told[] = [];
  const note = (event: string, fields?: EventFields) => {
    told.push({ event, fields });
  };
  return { log: { emit: note }, told };
}

async function problemOf(settings: RedisSettings): Promise<string> {
  const error: unknown = await openStore(settings).then(
    (store) => store.close(),
    (caught: unknown) => caught,
  );
  if (!isRefusal(error, 'ERR_STORAGE_UNAVAILABLE')) throw new Error('it was not refused', { cause: error });
  return `${error.details.operation} ${error.cause ?? ''}`;
}

/** Every operation that needs a permission of its own. */
async function useEverything(settings: RedisSettings): Promise<void> {
  const store = await openStore(settings);
  const record = { value: 1, expiresAt: inSeconds(60), indexes: { grantId: 'g' } };
  await store.put('Token', 'a', record);
  expect(await store.consume('Token', 'a')).toBe(true);
  expect((await store.findByIndex('Token', 'grantId', 'g'))?.id).toBe('a');
  await store.deleteByIndex('Token', 'grantId', 'g', inSeconds(60));
  expect(await codeOf(store.put('Token', 'b', record))).toBe('ERR_STORAGE_REVOKED');
  await store.delete('Token', 'a');
  expect(await store.allocate('numbers', 1)).toBe(0);
  await store.setBit('bits', 9, inSeconds(60));
  expect([await store.hasBit('bits', 9), await store.findBits('bits')]).toEqual([true, Buffer.from([0, 2])]);
  expect(await store.isHealthy()).toBe(true);
  await store.close();
}

describe.skipIf(!hasRedis)('the way to Redis', () => {
  let issued: Record<'ca' | 'server' | 'client', IssuedCertificate>;
  beforeAll(async () => {
    const validity = { notBefore: inSeconds(-3600), notAfter: inSeconds(86_400) };
    const ca = await createAuthority({ name: 'Redis CA', ...validity });
    const own = { profile: 'server', subject: { commonName: 'redis' }, ...validity } as const;
    issued = {
      ca,
      server: await ca.issue({ ...own, dnsNames: ['redis.bank.test'] }),
      client: await ca.issue({ ...own, deviation: { extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'] } }),
    };
  });

  const clientFiles = () => ({
    caFile: inFolder('ca.pem', issued.ca.certificatePem),
    certificateFile: inFolder('client.pem', issued.client.certificatePem),
    privateKeyFile: inFolder('client.key', issued.client.privateKeyPem),
    serverName: 'redis.bank.test',
  });
  const serverLines = (port: number | 'PORT') => [
    `tls-port ${port}`,
    `tls-cert-file ${inFolder('server.pem', issued.server.certificatePem)}`,
    `tls-key-file ${inFolder('server.key', issued.server.privateKeyPem)}`,
    `tls-ca-cert-file ${inFolder('ca.pem', issued.ca.certificatePem)}`,
  ];

  it('is TLS with a client certificate and an ACL user from files, or nothing', async () => {
    const files = clientFiles();
    const server = await startRedis({
      isTls: true,
      lines: [...serverLines('PORT'), 'user default off', `user bank on >first ${PERMISSIONS}`],
    });
    const settings = redisSettings({
      url: `rediss://127.0.0.1:${server.port}`,
      tls: files,
      usernameFile: inFolder('user', 'bank\n'),
      passwordFile: inFolder('password', 'first\n'),
    });
    await useEverything(settings);

    const other = inFolder(
      'other.pem',
      (await createAuthority({ name: 'Other', notBefore: inSeconds(-60), notAfter: inSeconds(60) }))
        .certificatePem,
    );
    const wrong: [string, Partial<RedisSettings>, RegExp][] = [
      ['another CA', { tls: { ...files, caFile: other } }, /certificate/],
      ['another name', { tls: { ...files, serverName: 'other.test' } }, /altnames/],
      ['no client certificate', { tls: { caFile: files.caFile, serverName: files.serverName } }, /open/],
      ['a wrong password', { passwordFile: inFolder('wrong', 'second') }, /WRONGPASS/],
      ['no server', { url: 'rediss://127.0.0.1:1' }, /ECONNREFUSED/],
      ['no TLS', { tls: undefined, url: `redis://127.0.0.1:${server.port}` }, /open/],
    ];
    const found = await Promise.all(wrong.map(([, change]) => problemOf({ ...settings, ...change })));
    for (const [at, [, , problem]] of wrong.entries()) expect(found[at]).toMatch(problem);
    await server.kill();
  }, 30_000);

  it('is TLS to the nodes of a Cluster too, with the least permissions', async () => {
    const tlsPort = await freePort();
    const server = await startRedis({
      lines: [
        ...serverLines(tlsPort),
        'cluster-enabled yes',
        'tls-cluster yes',
        'cluster-announce-ip 127.0.0.1',
        `user bank on >first ${PERMISSIONS}`,
      ],
    });
    await server.admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await until(async () => String(await server.admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    await useEverything(
      redisSettings({
        nodes: [`localhost:${tlsPort}`],
        tls: clientFiles(),
        usernameFile: inFolder('user', 'bank'),
        passwordFile: inFolder('password', 'first'),
      }),
    );
    await server.kill();
  });

  it('is TLS to the Sentinels too, with their own password', async () => {
    const [tlsPort, sentinelPort] = [await freePort(), await freePort()];
    const server = await startRedis({
      lines: [...serverLines(tlsPort), 'requirepass first'],
      password: 'first',
    });
    const sentinel = await startRedis({
      isSentinel: true,
      lines: [
        ...serverLines(sentinelPort),
        'tls-replication yes',
        'requirepass second',
        `sentinel monitor bank 127.0.0.1 ${tlsPort} 1`,
        'sentinel auth-pass bank first',
      ],
      password: 'second',
    });
    await useEverything(
      redisSettings({
        sentinels: [`127.0.0.1:${sentinelPort}`],
        sentinelName: 'bank',
        tls: clientFiles(),
        passwordFile: inFolder('password', 'first'),
        sentinelPasswordFile: inFolder('sentinel-password', 'second'),
      }),
    );
    await Promise.all([server.kill(), sentinel.kill()]);
  });

  it('uses a changed password for the next connection', async () => {
    const server = await startRedis();
    await server.admin.config('SET', 'requirepass', 'first');
    const passwordFile = inFolder('changing', 'first');
    const store = await openStore(redisSettings({ url: `redis://127.0.0.1:${server.port}`, passwordFile }));
    await server.admin.config('SET', 'requirepass', 'second');
    writeFileSync(passwordFile, 'second');
    await server.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
    await store.close();
    await server.kill();
  });

  it.skipIf(process.platform === 'win32')(
    'leaves a changed password alone that every user of the machine may read',
    async () => {
      const server = await startRedis();
      await server.admin.config('SET', 'requirepass', 'first');
      const passwordFile = inFolder('exposed', 'first');
      const { log, told } = listeningLog();
      const settings = redisSettings({ url: `redis://127.0.0.1:${server.port}`, passwordFile });
      const store = await openRedisStore({ settings, clock: systemClock, log });
      writeFileSync(passwordFile, 'second');
      chmodSync(passwordFile, 0o644);
      await server.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await expect.poll(() => told.map(({ event }) => event)).toContain('storage.redis.secrets');
      await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
      await store.close();
      await server.kill();
    },
  );

  it.each(['allkeys-lru', 'volatile-ttl'])('refuses a Redis that may evict: %s (M7)', async (policy) => {
    const server = await startRedis({ lines: [`maxmemory-policy ${policy}`] });
    const problem = await problemOf(redisSettings({ url: `redis://127.0.0.1:${server.port}` }));
    expect(problem).toContain(`maxmemory-policy is ${policy}: it must be noeviction`);
    await server.kill();
  });

  it('refuses a replica, whose reads would lag and whose writes fail (M4)', async () => {
    const primary = await startRedis();
    const replica = await startRedis({ lines: [`replicaof 127.0.0.1 ${primary.port}`] });
    const problem = await problemOf(redisSettings({ url: `redis://127.0.0.1:${replica.port}` }));
    expect(problem).toContain('it is a replica');
    await Promise.all([primary.kill(), replica.kill()]);
  });

  it('notices that its Redis was made a replica, and that it is a primary again (M4)', async () => {
    const [server, other] = await Promise.all([startRedis(), startRedis()]);
    const { log, told } = listeningLog();
    const settings = redisSettings({ url: `redis://127.0.0.1:${server.port}` });
    const store = await openRedisStore({ settings, clock: systemClock, log });
    await server.admin.replicaof('127.0.0.1', String(other.port));
    expect(await store.isHealthy()).toBe(false);
    await expect.poll(() => told.map(({ event }) => event)).toContain('storage.redis.refused');
    expect(await codeOf(store.find('Code', 'a'))).toBe('ERR_STORAGE_UNAVAILABLE');
    await server.admin.replicaof('NO', 'ONE');
    await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
    await store.close();
    await Promise.all([server.kill(), other.kill()]);
  });

  it('refuses to go on when Redis is back with another policy, and goes on when that is mended (M7)', async () => {
    const server = await startRedis();
    const { log, told } = listeningLog();
    const settings = redisSettings({ url: `redis://127.0.0.1:${server.port}` });
    const store = await openRedisStore({ settings, clock: systemClock, log });
    const reconnect = () => server.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await server.admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await reconnect();
    await expect.poll(() => told.map(({ event }) => event)).toContain('storage.redis.refused');
    expect(await store.isHealthy()).toBe(false);
    await server.admin.config('SET', 'maxmemory-policy', 'noeviction');
    await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
    await store.close();
    await server.kill();
  });

  it('refuses the keys of a newer version in one line, and leaves them as they are', async () => {
    const server = await startRedis();
    const settings = redisSettings({ url: `redis://127.0.0.1:${server.port}` });
    const key = `${settings.keyPrefix}:schema`;
    await (await openStore(settings)).close();
    expect(await server.admin.get(key)).toBe(String(REDIS_SCHEMA));
    await (await openStore(settings)).close();
    for (const newer of [String(REDIS_SCHEMA + 1), 'two']) {
      await server.admin.set(key, newer);
      const problem = await problemOf(settings);
      expect(problem).toContain(`open: Redis has schema ${newer}, this program knows ${REDIS_SCHEMA}`);
      expect(await server.admin.keys('*')).toEqual([key]);
    }
    await server.kill();
  });

  it('says what it could not check, and what a restart would lose', async () => {
    const server = await startRedis({ lines: ['appendonly no', 'user default on nopass ~* +@all -info'] });
    const { log, told } = listeningLog();
    const settings = redisSettings({ url: `redis://127.0.0.1:${server.port}` });
    const open = () => openRedisStore({ settings, clock: systemClock, log });
    const messages = () => told.flatMap(({ fields }) => fields?.problems ?? []).map(({ message }) => message);
    await (await open()).close();
    expect(messages().join()).toMatch(/maxmemory-policy and persistence are not checked: .*NOPERM/);
    await server.admin.acl('SETUSER', 'default', '+info');
    await (await open()).close();
    expect(messages().join()).toContain('appendonly is off');
    await server.kill();
  });

  it('keeps the last key that could be used while the file holds half a new one', async () => {
    const tlsPort = await freePort();
    const server = await startRedis({ lines: serverLines(tlsPort) });
    const { log, told } = listeningLog();
    const tls = clientFiles();
    const settings = redisSettings({ url: `rediss://127.0.0.1:${tlsPort}`, tls });
    const store = await openRedisStore({ settings, clock: systemClock, log });
    writeFileSync(tls.privateKeyFile, issued.client.privateKeyPem.slice(0, 100));
    await server.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await expect.poll(() => told.map(({ event }) => event)).toContain('storage.redis.secrets');
    await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
    expect(await codeOf(openStore(settings))).toBe('ERR_CONFIG_INVALID');
    await store.close();
    await server.kill();
  });

  it('needs files that can be read', async () => {
    const settings = redisSettings({ url: 'redis://127.0.0.1:1', passwordFile: join(folder, 'none') });
    expect(await codeOf(openStore(settings))).toBe('ERR_CONFIG_INVALID');
  });
});
