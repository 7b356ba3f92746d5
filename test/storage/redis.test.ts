import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
