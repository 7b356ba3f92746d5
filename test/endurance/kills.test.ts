import { afterAll, describe, expect, it } from 'vitest';
import { findKillPoints, killAt, openApprovalTheatre } from '../durability/consents/approval-kills.ts';
import { openBank } from '../durability/bank.ts';
import {
  expectLedger,
  expectOneTokenSetPerGrant,
  killRound,
  openTheatre,
  type Theatre,
} from '../durability/kills.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';

const KILLS = 200;
let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

function report(store: string, { alive, dead, readySeconds }: Theatre): void {
  const sorted = readySeconds.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(2);
  console.log(
    `${store}: ${readySeconds.length} kills, ${alive.length} tokens alive, ${dead.length} dead; ` +
      `ready again after ${at(0.5)} s (median), ${at(0.99)} s (p99), ${at(1)} s (longest)`,
  );
}

describe('a server that is killed 200 times', () => {
  it('loses nothing on SQLite (R8)', async () => {
    const bank = await openBank();
    const theatre = await openTheatre(bank);
    for (let kill = 0; kill < KILLS; kill += 1) await killRound(theatre, kill);
    await expectLedger(theatre, KILLS);
    expectOneTokenSetPerGrant(bank);
    report('SQLite', theatre);
    expect(theatre.alive.length).toBeGreaterThan(50);
    theatre.tpp.close();
    await bank.close();
  });

  it.skipIf(!hasRedis)('loses nothing on Redis with an append-only file (R8)', async () => {
    redis = await startRedis({ lines: ['appendfsync always'] });
    const bank = await openBank({ redis: { url: `redis://127.0.0.1:${redis.port}` } });
    const theatre = await openTheatre(bank, redis);
    for (let kill = 0; kill < KILLS; kill += 1) await killRound(theatre, kill);
    redis = theatre.redis;
    await expectLedger(theatre, KILLS);
    report('Redis', theatre);
    expect(theatre.alive.length).toBeGreaterThan(50);
    theatre.tpp.close();
    await bank.close();
  });
});

describe.each([
  ['SQLite', true, async () => undefined],
  [
    'Redis',
    hasRedis,
    async () => {
      redis = await startRedis({ lines: ['appendfsync always'] });
      return { redis: { url: `redis://127.0.0.1:${redis.port}` } };
    },
  ],
] as [string, boolean, () => Promise<object | undefined>][])(
  'a server that is killed at each operation of an approval, on %s',
  (name, isThere, storageOf) => {
    it.skipIf(!isThere)('approves no payment twice, and the customer can go on (K17, R8)', async () => {
      const bank = await openBank(await storageOf());
      const theatre = await openApprovalTheatre(bank);
      const points = await findKillPoints(theatre);
      for (const point of points) await killAt(theatre, point);
      const codes = theatre.ends.filter((end) => end === 'code').length;
      console.log(`${name}: ${points.length} kills in an approval, ${codes} went on to a code`);
      expect(codes).toBeGreaterThan(points.length / 2);
      theatre.tpp.close();
      await bank.close();
    });
  },
);
