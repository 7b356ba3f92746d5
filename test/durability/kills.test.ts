import { afterAll, describe, expect, it } from 'vitest';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';
import { openBank } from './bank.ts';
import { expectLedger, expectOneTokenSetPerGrant, killRound, openTheatre } from './kills.ts';

let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

describe('a server that is killed again and again', () => {
  it('loses no token that it gave, redeems no code twice, and revives nothing, on SQLite (M10)', async () => {
    const bank = await openBank();
    const theatre = await openTheatre(bank);
    for (let kill = 0; kill < 10; kill += 1) await killRound(theatre, kill * 3 + 1);
    await expectLedger(theatre, 100);
    expectOneTokenSetPerGrant(bank);
    expect(theatre.alive.length).toBeGreaterThan(0);
    theatre.tpp.close();
    await bank.close();
  }, 120_000);

  it.skipIf(!hasRedis)(
    'and on Redis, which is killed too, with its append-only file (M10)',
    async () => {
      redis = await startRedis({ lines: ['appendfsync always'] });
      const bank = await openBank({ redis: { url: `redis://127.0.0.1:${redis.port}` } });
      const theatre = await openTheatre(bank, redis);
      for (let kill = 0; kill < 4; kill += 1) await killRound(theatre, kill * 3 + 1);
      redis = theatre.redis;
      await expectLedger(theatre, 100);
      expect(theatre.alive.length).toBeGreaterThan(0);
      theatre.tpp.close();
      await bank.close();
    },
    120_000,
  );
});
