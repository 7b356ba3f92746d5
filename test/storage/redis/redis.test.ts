import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { createRedisGroupWrite } from '../../../src/storage/redis/redis-group-write.ts';
import { createRedisKeys } from '../../../src/storage/redis/redis-keys.ts';
import { connectRedis } from '../../../src/storage/redis/redis-primaries.ts';
import { CONSUME, PUT } from '../../../src/storage/redis/redis-scripts.ts';
import { codeOf, describeRedisStore, inSeconds, openStore, redisSettings } from './redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from './redis-servers.ts';

let server: RedisProcess;
const address = () => ({ url: `redis://127.0.0.1:${server.port}` });

describe.skipIf(!hasRedis)('on a single Redis', () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.kill());

  describeRedisStore('Redis', { address, servers: () => [server.admin], rounds: 100 });

  it('finds its scripts again after they were flushed', async () => {
    const store = await openStore(redisSettings(address()));
    await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(60) });
    await server.admin.script('FLUSH');
    expect(await store.consume('Code', 'a')).toBe(true);
    await server.admin.script('FLUSH');
    const writes = ['b', 'c', 'b'].map((id) =>
      store.putIfAbsent('Code', id, { value: 2, expiresAt: inSeconds(60) }),
    );
    expect(await Promise.all(writes)).toEqual([true, true, false]);
    await store.close();
  });

  it('judges each of the new records that come at one moment by itself (J8)', async () => {
    const store = await openStore(redisSettings(address()));
    const over = { value: 'over', expiresAt: inSeconds(-1) };
    const live = { value: 'live', expiresAt: inSeconds(60) };
    await Promise.all([store.put('Jti', 'over', over), store.put('Jti', 'live', live)]);
    const added = ['x', 'over', 'live', 'y', 'x', 'over'].map((id, at) =>
      store.putIfAbsent('Jti', id, { value: at, expiresAt: inSeconds(60) }),
    );
    expect(await Promise.all(added)).toEqual([true, true, false, true, false, false]);
    const found = await Promise.all(['x', 'over', 'live', 'y'].map((id) => store.find('Jti', id)));
    expect(found.map((record) => record?.value)).toEqual([0, 1, 'live', 3]);
    await store.close();
  });

  it('answers a call that is repeated as it did the first time, and sends none whose time is over (M5)', async () => {
    const settings = redisSettings(address());
    const primaries = await connectRedis(settings, silentLog);
    const group = createRedisGroupWrite(primaries, { replicas: 0, milliseconds: 1 });
    const keys = createRedisKeys(settings.keyPrefix);
    const now = systemClock.now().getTime();
    const run = (script: typeof CONSUME, args: (string | number)[], isOver = false) =>
      group.run({ script, keys: [keys.record('Code', 'a')], args }, { isOver });
    const put = (nonce: string) => run(PUT, [now, now + 60_000, `${nonce}a`, nonce, '1', '{}', 'new']);
    expect(await put('first')).toEqual(['written', '', '']);
    expect(await put('first')).toEqual(['written', 'first', '{}']);
    expect(await put('other')).toEqual(['exists']);
    const replace = (nonce: string, value: string, read: string) =>
      run(PUT, [now, now + 60_000, `${nonce}a`, nonce, value, '{}', 'same', '', read]);
    expect(await replace('second', '2', '1')).toEqual(['written', 'first', '{}']);
    expect(await replace('second', '2', '1')).toEqual(['written', 'second', '{}']);
    expect(await replace('third', '3', '1')).toEqual(['changed']);
    await expect(run(CONSUME, [now, 'late'], true)).rejects.toThrow('over');
    expect(await run(CONSUME, [now, 'one'])).toBe(1);
    expect(await run(CONSUME, [now, 'one'])).toBe(1);
    expect(await run(CONSUME, [now, 'two'])).toBe(0);
    primaries.close();
  });

  it('acknowledges nothing when the memory of Redis is full, and goes on when there is room (M9)', async () => {
    const own = await startRedis();
    const store = await openStore(redisSettings({ url: `redis://127.0.0.1:${own.port}` }));
    const record = { value: 1, expiresAt: inSeconds(60), indexes: { grantId: 'g' } };
    await store.put('Code', 'a', record);
    await own.admin.config('SET', 'maxmemory', '1');
    const writes = [
      store.put('Code', 'b', record),
      store.putIfAbsent('Code', 'c', record),
      store.consume('Code', 'a'),
    ];
    expect(await Promise.all(writes.map(codeOf))).toEqual(writes.map(() => 'ERR_STORAGE_UNAVAILABLE'));
    expect((await store.listByIndex('Code', 'grantId', 'g')).map(({ id }) => id)).toEqual(['a']);
    expect(await store.isHealthy()).toBe(false);
    await own.admin.config('SET', 'maxmemory', '0');
    expect(await store.consume('Code', 'a')).toBe(true);
    await store.close();
    await own.kill();
  });

  it('believes no registration of a write that never came, or that another has followed', async () => {
    const settings = redisSettings(address());
    const store = await openStore(settings);
    await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(60) });
    const index = createRedisKeys(settings.keyPrefix).index('Code', 'grantId', 'g');
    await server.admin.zadd(index, inSeconds(60).getTime(), `${'n'.repeat(16)}a`);
    await server.admin.zadd(index, inSeconds(60).getTime(), `${'n'.repeat(16)}b`);
    expect(await store.listByIndex('Code', 'grantId', 'g')).toEqual([]);
    await store.deleteByIndex('Code', 'grantId', 'g', inSeconds(60));
    expect((await store.find('Code', 'a'))?.value).toBe(1);
    await store.close();
  });

  it('keeps what it acknowledged when Redis is killed and comes back with its file (M10)', async () => {
    const own = await startRedis({ lines: ['appendfsync always'] });
    const store = await openStore(redisSettings({ url: `redis://127.0.0.1:${own.port}` }));
    await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(60), indexes: { grantId: 'g' } });
    await store.consume('Code', 'a');
    await store.deleteByIndex('Token', 'grantId', 'g', inSeconds(60));
    await own.kill();
    expect(await codeOf(store.find('Code', 'a'))).toBe('ERR_STORAGE_UNAVAILABLE');
    const again = await own.restart();
    await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
    expect(await store.consume('Code', 'a')).toBe(false);
    const record = { value: 1, expiresAt: inSeconds(60), indexes: { grantId: 'g' } };
    expect(await codeOf(store.put('Token', 't', record))).toBe('ERR_STORAGE_REVOKED');
    await store.close();
    await again.kill();
  });
});
