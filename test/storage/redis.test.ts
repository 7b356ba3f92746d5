import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/log.ts';
import { openRedisStore } from '../../src/storage/redis.ts';
import type { RedisSettings } from '../../src/storage/redis-settings.ts';
import { hasRedis, type RedisProcess, startRedis } from './redis-servers.ts';
import { describeStore } from './store-contract.ts';

let server: RedisProcess;
let prefixes = 0;
const settings = (more: Partial<RedisSettings> = {}): RedisSettings => {
  prefixes += 1;
  return {
    url: `redis://127.0.0.1:${server.port}`,
    keyPrefix: `t${prefixes}`,
    waitReplicas: 0,
    waitTimeoutMilliseconds: 400,
    timeoutMilliseconds: 1000,
    ...more,
  };
};

describe.skipIf(!hasRedis)('on a single Redis', () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.kill());

  describeStore('Redis', (clock) => openRedisStore({ settings: settings(), clock, log: silentLog }));

  it('works', async () => {
    const s = await openRedisStore({ settings: settings(), clock: systemClock, log: silentLog });
    expect(await s.isHealthy()).toBe(true);
    await s.close();
  });
});
