import { afterAll, describe, expect, it } from 'vitest';
import type { RedisSettings } from '../../src/storage/redis/redis-settings.ts';
import { startRacers } from '../storage/redis/racers.ts';
import { inSeconds, openStore, redisSettings } from '../storage/redis/redis-contract.ts';
import { startRedisCluster } from '../storage/redis/redis-groups.ts';
import { hasRedis, startRedis } from '../storage/redis/redis-servers.ts';

const ROUNDS = 1000;
const closing: (() => Promise<unknown>)[] = [];

const kinds: readonly [name: string, start: () => Promise<Partial<RedisSettings>>][] = [
  [
    'one Redis',
    async () => {
      const server = await startRedis();
      closing.push(() => server.kill());
      return { url: `redis://127.0.0.1:${server.port}` };
    },
  ],
  [
    'a Cluster of six',
    async () => {
      const cluster = await startRedisCluster();
      closing.push(() => cluster.close());
      return { nodes: cluster.addresses, waitReplicas: 1 };
    },
  ],
];

describe.skipIf(!hasRedis)('with 64 attempts in two processes', () => {
  afterAll(() => Promise.all(closing.map((close) => close())));

  it.each(kinds)(
    `has exactly one winner in ${ROUNDS} rounds on %s, for what is consumed and what must be new (J1, J8, R12)`,
    async (_name, start) => {
      const settings = redisSettings(await start());
      const [store, racers] = await Promise.all([openStore(settings), startRacers(settings)]);
      for (let round = 0; round < ROUNDS; round += 1) {
        await store.put('Code', `c${round}`, { value: round, expiresAt: inSeconds(3600) });
        expect(await racers.race(round, 32)).toEqual({
          round,
          consume: { won: 1, refused: 0 },
          putIfAbsent: { won: 1, refused: 0 },
        });
      }
      await racers.close();
      await store.close();
    },
  );
});
