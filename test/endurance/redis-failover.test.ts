import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { redisSettings } from '../storage/redis/redis-contract.ts';
import { SENTINEL_NAME, startRedisCluster, startSentinelGroup } from '../storage/redis/redis-groups.ts';
import { hasRedis } from '../storage/redis/redis-servers.ts';
import { startFailoverLedger } from './failover-ledger.ts';

const SENTINEL_FAILOVERS = Number(process.env.FAILOVERS ?? 20);
const CLUSTER_FAILOVERS = Math.min(6, SENTINEL_FAILOVERS);
/** Issue 4: back within 10 s. */
const RECOVERY_MILLISECONDS = 10_000;

describe.skipIf(!hasRedis)('under load from three processes', () => {
  it.each([1, 2])(
    `redeems nothing twice and keeps every revocation over ${SENTINEL_FAILOVERS} Sentinel failovers, waiting for %i of 2 replicas (M3, R9)`,
    async (waitReplicas) => {
      const group = await startSentinelGroup();
      const address = { sentinels: group.addresses, sentinelName: SENTINEL_NAME, waitReplicas };
      const ledger = await startFailoverLedger(redisSettings(address));
      const recoveries: number[] = [];
      for (let at = 0; at < SENTINEL_FAILOVERS; at += 1) {
        await sleep(1000 + Math.random() * 1000);
        const from = performance.now();
        // A crash, and a primary that stands still and comes back believing that it is one.
        await (at % 2 === 0 ? group.failOver() : group.hang());
        await ledger.recovery();
        recoveries.push(performance.now() - from);
        await group.replicated(2);
        await ledger.verify();
      }
      await ledger.stop();
      console.info(`wait ${waitReplicas}: ${figures(ledger.counts, recoveries)}`);
      expect(ledger.faults).toEqual([]);
      if (waitReplicas === 1) expect(Math.max(...recoveries)).toBeLessThan(RECOVERY_MILLISECONDS);
      await group.close();
    },
  );

  it(`redeems nothing twice and keeps every revocation when ${CLUSTER_FAILOVERS} primaries of a Cluster are killed (M3, M6, R9)`, async () => {
    const cluster = await startRedisCluster();
    const ledger = await startFailoverLedger(redisSettings({ nodes: cluster.addresses, waitReplicas: 1 }));
    const recoveries: number[] = [];
    for (let at = 0; at < CLUSTER_FAILOVERS; at += 1) {
      await sleep(1000 + Math.random() * 1000);
      const from = performance.now();
      await cluster.failOver(await cluster.primaryAt(at % 3));
      await ledger.recovery();
      recoveries.push(performance.now() - from);
      await cluster.replicated();
      await ledger.verify();
    }
    await ledger.stop();
    console.info(`cluster: ${figures(ledger.counts, recoveries)}`);
    expect(ledger.faults).toEqual([]);
    expect(Math.max(...recoveries)).toBeLessThan(RECOVERY_MILLISECONDS);
    await cluster.close();
  });
});

function figures(counts: object, recoveries: readonly number[]): string {
  const sorted = recoveries.toSorted((one, other) => one - other).map(Math.round);
  const [median, longest] = [sorted[sorted.length >> 1], sorted.at(-1)];
  return `${JSON.stringify(counts)}, back after ${median} ms in the median, ${longest} ms at most`;
}
