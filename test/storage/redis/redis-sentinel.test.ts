import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/events.ts';
import { connectRedis } from '../../../src/storage/redis/redis-primaries.ts';
import { codeOf, describeRedisStore, inSeconds, openStore, redisSettings } from './redis-contract.ts';
import { SENTINEL_NAME, type SentinelGroup, startSentinelGroup, until } from './redis-groups.ts';
import { hasRedis } from './redis-servers.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-sentinel-'));
const user = join(folder, 'user');
let group: SentinelGroup;
const address = () => ({ sentinels: group.addresses, sentinelName: SENTINEL_NAME, waitReplicas: 1 });

describe.skipIf(!hasRedis)('on a primary under Sentinel', () => {
  beforeAll(async () => {
    writeFileSync(user, 'bank', { mode: 0o600 });
    group = await startSentinelGroup();
  });
  afterAll(async () => {
    await group.close();
    rmSync(folder, { recursive: true });
  });

  describeRedisStore('Redis under Sentinel', {
    address,
    servers: () => group.servers.map(({ admin }) => admin),
    rounds: 50,
  });

  it('refuses what the replicas do not have, although the primary has it, and repeats it safely (M3)', async () => {
    const store = await openStore(
      redisSettings({ ...address(), waitReplicas: 2, waitTimeoutMilliseconds: 100 }),
    );
    const record = { value: 1, expiresAt: inSeconds(600), indexes: { grantId: 'g' } };
    await store.put('Code', 'a', record);
    await store.put('Code', 'b', record);
    const primary = await group.primary();
    const replica = group.servers.find((server) => server !== primary);
    replica?.process.kill('SIGSTOP');
    try {
      const refused = async () => [
        await codeOf(store.consume('Code', 'a')),
        await codeOf(store.putIfAbsent('Replay', 'j', { value: null, expiresAt: inSeconds(60) })),
        await codeOf(store.delete('Code', 'b')),
        await codeOf(store.deleteByIndex('Token', 'grantId', 'g', inSeconds(60))),
        await codeOf(store.setBit('token-status-0', 1, inSeconds(60))),
        await codeOf(store.allocate('numbers', 1)),
      ];
      // The second time nothing is left to do for most of them: they must not pass for that.
      for (let time = 0; time < 2; time += 1) {
        expect(await refused()).toEqual(Array.from({ length: 6 }, () => 'ERR_STORAGE_UNAVAILABLE'));
      }
      expect(await store.isHealthy()).toBe(false);
      expect((await store.find('Code', 'a'))?.consumedAt).toBeInstanceOf(Date);
    } finally {
      replica?.process.kill('SIGCONT');
    }
    await until(() => store.isHealthy());
    expect(await store.consume('Code', 'a')).toBe(false);
    await store.deleteByIndex('Token', 'grantId', 'g', inSeconds(60));
    await store.close();
  }, 30_000);

  it('leaves a primary that was demoted while it is up (M4)', async () => {
    const store = await openStore(redisSettings({ ...address(), waitReplicas: 0 }));
    const old = await group.primary();
    await group.switchOver();
    await expect
      .poll(() => codeOf(store.put('Code', 'a', { value: 1, expiresAt: inSeconds(60) })), { timeout: 20_000 })
      .toBeUndefined();
    expect((await group.primary()).port).not.toBe(old.port);
    expect(await store.consume('Code', 'a')).toBe(true);
    await store.close();
  }, 60_000);

  it('connects again when a failover is detected while the primary is being looked for (M3)', async () => {
    const primaries = await connectRedis(redisSettings(address()), silentLog);
    const reader = primaries.reader as Redis;
    const ended = new Promise((resolve) => reader.once('end', resolve));
    // The detector of the connection before closes the attempt that goes on.
    reader.once('connecting', () =>
      (Reflect.get(reader, 'connector') as { disconnect(): void }).disconnect(),
    );
    reader.disconnect(true);
    await ended;
    await expect.poll(() => reader.status).toBe('ready');
    expect(await reader.ping()).toBe('PONG');
    primaries.close();
    await expect.poll(() => reader.status).toBe('end');
  }, 30_000);

  it('has every mark and tombstone after a failover, and is back within 10 seconds (M3, R9)', async () => {
    const store = await openStore(redisSettings(address()));
    const record = { value: 1, expiresAt: inSeconds(600), indexes: { grantId: 'g' } };
    for (let at = 0; at < 50; at += 1) {
      await acknowledged(() => store.put('Code', `c${at}`, record));
      await acknowledged(() => store.consume('Code', `c${at}`));
      await acknowledged(() => store.deleteByIndex('Token', 'grantId', `g${at}`, inSeconds(600)));
    }
    await group.failOver();
    await expect.poll(() => store.isHealthy(), { timeout: 15_000 }).toBe(true);
    for (let at = 0; at < 50; at += 1) {
      expect(await acknowledged(() => store.consume('Code', `c${at}`))).toBe(false);
      const revoked = { ...record, indexes: { grantId: `g${at}` } };
      expect(await acknowledged(() => codeOf(store.put('Token', `t${at}`, revoked)))).toBe(
        'ERR_STORAGE_REVOKED',
      );
    }
    await store.close();
  }, 30_000);

  it('leaves a primary that still answers but is cut off from Sentinels and replicas (M3)', async () => {
    await Promise.all(
      group.servers.map(({ admin }) => admin.call('ACL', 'SETUSER', 'bank', 'on', 'nopass', '~*', '+@all')),
    );
    const settings = redisSettings({ ...address(), usernameFile: user, passwordFile: user });
    const store = await openStore(settings);
    await until(() => store.isHealthy());
    await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(60) });
    const old = await group.primary();
    // Sentinels and replicas are the default user, the store is not.
    const [lock, cut] = [
      ['SETUSER', 'default', 'resetpass', '>x'],
      ['KILL', 'USER', 'default', 'SKIPME', 'yes'],
    ];
    await old.admin.call('ACL', ...lock);
    await old.admin.call('CLIENT', ...cut);
    expect(await codeOf(store.consume('Code', 'a'))).toBe('ERR_STORAGE_UNAVAILABLE');
    await until(async () => (await group.primary()).port !== old.port);
    await expect.poll(() => store.isHealthy(), { timeout: 20_000 }).toBe(true);
    // The mark that was refused went down with the old primary, or reached a replica as it was cut off: refused does
    // not mean undone. Either way the code is redeemed once at most.
    await store.consume('Code', 'a');
    expect(await store.consume('Code', 'a')).toBe(false);
    await store.put('Code', 'b', { value: 1, expiresAt: inSeconds(60) });
    expect(await store.consume('Code', 'b')).toBe(true);
    await old.admin.call('ACL', 'SETUSER', 'default', 'nopass');
    await store.close();
  }, 60_000);
});

/**
 * The result of a write that Redis has acknowledged with its replicas. Refused ones are sent again: on a busy machine the
 * Sentinels fail over on their own, and a demoted primary first copies what the other one has.
 */
async function acknowledged<T>(write: () => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  await until(async () => {
    const value = await write();
    if (value === 'ERR_STORAGE_UNAVAILABLE') return false;
    result = { value };
    return true;
  });
  if (result === undefined) throw new Error('Redis acknowledges nothing');
  return result.value;
}
