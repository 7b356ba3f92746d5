import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SENTINEL_NAME, startSentinelGroup } from '../storage/redis/redis-groups.ts';
import { hasRedis } from '../storage/redis/redis-servers.ts';
import { openBank } from './bank.ts';
import { startFailoverTraffic } from './failover-traffic.ts';

/** Issue 4: back within 10 s. */
const RECOVERY_MILLISECONDS = 10_000;

describe.skipIf(!hasRedis)('two server processes whose Sentinel primary dies, and then stands still', () => {
  it('answer 503 with Retry-After or rightly, redeem nothing twice, revive nothing, no client either, and are back (M3, R9)', async () => {
    const group = await startSentinelGroup();
    const bank = await openBank({ redis: { sentinels: group.addresses, sentinelName: SENTINEL_NAME } });
    const traffic = await startFailoverTraffic(bank);
    for (const fail of [group.failOver, group.hang]) {
      await sleep(500);
      const from = performance.now();
      await fail();
      await traffic.recovery();
      expect(performance.now() - from).toBeLessThan(RECOVERY_MILLISECONDS);
      await traffic.verify();
    }
    await traffic.stop();
    expect(traffic.faults).toEqual([]);
    expect(traffic.counts.unavailable).toBeGreaterThan(0);
    expect(traffic.counts.redeemed).toBeGreaterThan(0);
    expect(traffic.registrations.counts.deleted).toBeGreaterThan(0);
    await bank.close();
    await group.close();
  }, 120_000);
});
