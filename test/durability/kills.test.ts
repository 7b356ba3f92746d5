import { afterAll, describe, expect, it } from 'vitest';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';
import { findKillPoints, killAt, type KillPoint, openApprovalTheatre } from './consents/approval-kills.ts';
import { openBank } from './bank.ts';
import { expectLedger, expectOneTokenSetPerGrant, killRound, openTheatre } from './kills.ts';

/** After each of these the next part of an approval is missing. The long form dies at every operation. */
const TELLING: readonly string[] = [
  'putIfAbsent CustomerDecision',
  'put Grant',
  'replace Consent',
  'put Interaction',
  'consume PushedAuthorizationRequest',
];

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

  it('approves no payment twice, and gives a token of an authorised consent only (K17)', async () => {
    const bank = await openBank();
    const theatre = await openApprovalTheatre(bank);
    const points = (await findKillPoints(theatre)).filter(isTelling);
    expect(points).toHaveLength(TELLING.length);
    for (const point of points) await killAt(theatre, point);
    expect(theatre.ends).toContain('code');
    expect(theatre.missed).toBe(0);
    theatre.tpp.close();
    await bank.close();
  }, 180_000);
});

function isTelling({ when, operation }: KillPoint): boolean {
  return when === 'after' && TELLING.includes(operation);
}
