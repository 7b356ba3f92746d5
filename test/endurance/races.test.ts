import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Bank, openBank } from '../durability/bank.ts';
import { CONSENT_RACES } from '../durability/consents/consent-races.ts';
import { startJtiRacers } from '../durability/jti-races.ts';
import { type Arena, expectNoneLive, openArena, RACES } from '../durability/races.ts';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 1000);
let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

describe.each([
  ['SQLite', true, () => openBank()],
  [
    'Redis',
    hasRedis,
    async () => {
      redis = await startRedis();
      return openBank({ redis: { url: `redis://127.0.0.1:${redis.port}` } });
    },
  ],
] as const)('two processes on one %s', (_name, isThere, open) => {
  let bank: Bank;
  let arena: Arena;
  beforeAll(async () => {
    if (!isThere) return;
    bank = await open();
    arena = await openArena(bank);
  });
  afterAll(async () => {
    arena?.tpp.close();
    arena?.berlin.close();
    await bank?.close();
  });

  it.skipIf(!isThere).each(Object.entries(RACES))(
    `let exactly one of 64 at once use %s, ${ROUNDS} times, and leave a winner nothing where all die (J1, J2, J5, J8, I2, R12)`,
    async (_what, race) => {
      for (let round = 0; round < ROUNDS; round += 1) await race(arena);
      await expectNoneLive(arena);
    },
  );

  it.skipIf(!isThere).each(Object.entries(CONSENT_RACES))(
    `%s, ${ROUNDS} times (I2, K17, R12)`,
    async (_what, race) => {
      for (let round = 0; round < ROUNDS; round += 1) await race(arena, round);
      await expectNoneLive(arena);
    },
  );

  it.skipIf(!isThere)(
    `take the jti of an assertion, and of a DPoP proof, from exactly one of 64, ${ROUNDS} times (J8, R12)`,
    async () => {
      const racers = await startJtiRacers(bank);
      for (let round = 0; round < ROUNDS; round += 1) await racers.race();
      await racers.close();
    },
  );
});
