import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis/redis-servers.ts';
import { type Bank, type BankProcess, openBank } from './bank.ts';
import { CONSENT_RACES } from './consents/consent-races.ts';
import { startJtiRacers } from './jti-races.ts';
import { type Arena, expectNoneLive, openArena, RACES } from './races.ts';

const ROUNDS = 10;

/** The store operations of one request. */
async function traced(process: BankProcess, work: () => Promise<unknown>): Promise<readonly string[]> {
  process.command('trace');
  await work();
  const operations = process.report((report) =>
    typeof report === 'object' && 'operations' in report ? report.operations : undefined,
  );
  process.command('end trace');
  return operations;
}

function parkedAt(process: BankProcess): Promise<string> {
  return process.report((report) =>
    typeof report === 'object' && 'parkedAt' in report ? report.parkedAt : undefined,
  );
}

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
    `let exactly one of many at once use %s (J1, J5, J8, I2)`,
    async (_what, race) => {
      // Eight walks through the pages take their time.
      const rounds = race === RACES['a pushed request'] ? 4 : ROUNDS;
      for (let round = 0; round < rounds; round += 1) await race(arena);
      await expectNoneLive(arena);
    },
    120_000,
  );

  it.skipIf(!isThere).each(Object.entries(CONSENT_RACES))(
    `%s (I2, K17)`,
    async (_what, race) => {
      const rounds = race === CONSENT_RACES['approves a payment once, of 64 approvals at once'] ? 2 : ROUNDS;
      for (let round = 0; round < rounds; round += 1) await race(arena, round);
      await expectNoneLive(arena);
    },
    120_000,
  );

  it.skipIf(!isThere)('take the jti of an assertion, and of a DPoP proof, from one of 64 (J8)', async () => {
    const racers = await startJtiRacers(bank);
    for (let round = 0; round < ROUNDS; round += 1) await racers.race();
    await racers.close();
  });

  it.skipIf(!isThere)(
    'give nothing at a refresh that a revocation overtakes (J7)',
    async () => {
      const [first, second] = arena.processes;
      const { tpp } = arena;
      const refreshable = async () => (await tpp.exchange(second, await tpp.code(second))).json.refresh_token;
      await tpp.refresh(first, await refreshable());
      const operations = await traced(first, async () => tpp.refresh(first, await refreshable()));
      for (let at = 1; at <= operations.length; at += 1) {
        const token = await refreshable();
        first.command({ at, when: 'before', what: 'park' });
        const parked = parkedAt(first);
        const refreshed = tpp.refresh(first, token);
        const where = `${await parked} (${at} of ${operations.length})`;
        expect([where, (await tpp.revoke(second, token)).status]).toEqual([where, 200]);
        first.command('release');
        expect([where, (await refreshed).status]).toEqual([where, 400]);
        expect([where, (await tpp.refresh(second, token)).status]).toEqual([where, 400]);
      }
    },
    120_000,
  );

  it.skipIf(!isThere)(
    'give no token that works when the code is replayed while the winner is being written (J2)',
    async () => {
      const [first, second] = arena.processes;
      const { tpp } = arena;
      // The first one also takes status entries for those to come.
      expect((await tpp.exchange(first, await tpp.code(first))).status).toBe(200);
      const fresh = await tpp.code(second);
      const operations = await traced(first, () => tpp.exchange(first, fresh));
      expect(operations).toEqual(expect.arrayContaining(['consume AuthorizationCode', 'put RefreshToken']));
      const consumed = operations.indexOf('consume AuthorizationCode') + 1;
      for (let at = 1; at <= operations.length; at += 1) {
        const replayed = await tpp.code(second);
        first.command({ at, when: 'before', what: 'park' });
        const parked = parkedAt(first);
        const winner = tpp.exchange(first, replayed);
        const where = `${await parked} (${at} of ${operations.length})`;
        let isAnswered = false;
        void winner.then(() => {
          isAnswered = true;
        });
        const other = await tpp.exchange(second, replayed);
        // Whatever is asked of the store is waited for.
        expect([where, isAnswered]).toEqual([where, false]);
        first.command('release');
        const answer = await winner;
        // Before the mark of use the other one wins. Whoever is second, the code was used twice.
        const isFirst = at > consumed;
        expect([where, other.status]).toEqual([where, isFirst ? 400 : 200]);
        expect([where, answer.status]).toEqual([where, isFirst ? 200 : 400]);
        const { json } = isFirst ? answer : other;
        for (const to of arena.processes) {
          const refreshed = await tpp.refresh(to, json.refresh_token);
          expect([where, refreshed.status, refreshed.json.error]).toEqual([where, 400, 'invalid_grant']);
          await expect
            .poll(() => tpp.isLive(to, json.access_token), { message: where, timeout: 3000 })
            .toBe(false);
        }
      }
    },
    120_000,
  );
});
