import { afterAll, describe, expect, it } from 'vitest';
import { openRegisteringBank } from '../durability/registrations/registering-bank.ts';
import {
  expectRegistrations,
  findKillPoints,
  killAt,
  killInTheMidst,
  openRegistrationTheatre,
  type RegistrationTheatre,
} from '../durability/registrations/registration-kills.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';

const KILLS = Number(process.env.KILLS ?? 200);
const OPTIONS = Object.freeze({ approval: 'manual', accessTokenRotation: true });
let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

/** Every second time at an operation, each in turn, and every other time at any moment of several actions at once. */
async function dieAgainAndAgain(store: string, theatre: RegistrationTheatre): Promise<void> {
  const points = await findKillPoints(theatre);
  for (let kill = 0; kill < KILLS; kill += 1) {
    // From all over the list, also in a shorter run.
    const point = points[Math.trunc((kill / 2) * 7) % points.length];
    if (kill % 2 === 0 && point !== undefined) await killAt(theatre, point);
    else await killInTheMidst(theatre, kill);
  }
  await expectRegistrations(theatre, KILLS);
  const { alive, deleted, ends, missed, readySeconds } = theatre;
  const sorted = readySeconds.toSorted((one, other) => one - other);
  console.log(
    `${store}: ${readySeconds.length} kills (${missed} missed), ${points.length} points; ` +
      `${alive.length} clients there, ${deleted.length} deleted; ${JSON.stringify(ends)}; ` +
      `ready again after ${sorted[sorted.length >> 1]?.toFixed(2)} s in the median, ${sorted.at(-1)?.toFixed(2)} s at most`,
  );
  for (const { done, undone } of Object.values(ends)) {
    expect(done).toBeGreaterThan(0);
    expect(undone).toBeGreaterThan(0);
  }
  theatre.tpp.close();
}

describe(`a server that is killed ${KILLS} times while clients register, change and end`, () => {
  it('loses no answer, leaves nothing half and revives nothing on SQLite (R8)', async () => {
    const bank = await openRegisteringBank(undefined, OPTIONS);
    await dieAgainAndAgain('SQLite', await openRegistrationTheatre(bank));
    await bank.close();
  });

  it.skipIf(!hasRedis)('and on Redis, which is killed too, with its append-only file (R8)', async () => {
    redis = await startRedis({ lines: ['appendfsync always'] });
    const storage = { redis: { url: `redis://127.0.0.1:${redis.port}` } };
    const bank = await openRegisteringBank(storage, OPTIONS);
    const theatre = await openRegistrationTheatre(bank, redis);
    await dieAgainAndAgain('Redis', theatre);
    redis = theatre.redis;
    await bank.close();
  });
});
