import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { openRedisStore } from '../../../src/storage/redis/redis.ts';
import type { RedisSettings } from '../../../src/storage/redis/redis-settings.ts';
import type { Store } from '../../../src/storage/store.ts';
import { type Racers, startRacers } from './racers.ts';
import { describeStore } from '../store-contract.ts';

export interface RedisUnderTest {
  /** Where it is; the rest is filled in. */
  readonly address: () => Partial<RedisSettings>;
  /** Every server that holds keys. */
  readonly servers: () => readonly Redis[];
  /** Rounds of 64 attempts in two processes. */
  readonly rounds: number;
}

let prefixes = 0;

/** Settings with a prefix of their own, so that no test meets the keys of another. */
export function redisSettings(more: Partial<RedisSettings>): RedisSettings {
  prefixes += 1;
  return {
    keyPrefix: `test-${prefixes}`,
    waitReplicas: 0,
    waitTimeoutMilliseconds: 400,
    timeoutMilliseconds: 1000,
    ...more,
  };
}

export function openStore(settings: RedisSettings, clock: Clock = systemClock): Promise<Store> {
  return openRedisStore({ settings, clock, log: silentLog });
}

export const inSeconds = (seconds: number) => new Date(systemClock.now().getTime() + seconds * 1000);

/** The code of the refusal, or undefined when there was none. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return error.code;
  }
}

/** What must hold on every kind of Redis. */
export function describeRedisStore(name: string, redis: RedisUnderTest): void {
  const settings = (more: Partial<RedisSettings> = {}) => redisSettings({ ...redis.address(), ...more });
  describeStore(name, (clock) => openStore(settings(), clock));

  describe(`${name}, besides the contract,`, () => {
    describe('with two processes', () => {
      const shared = () => settings({ keyPrefix: `race-${name.replaceAll(' ', '-')}` });
      let racers: Racers;
      beforeAll(async () => {
        racers = await startRacers(shared());
      });
      afterAll(() => racers.close());

      it(`has one winner among 64, ${redis.rounds} times, for what is consumed and what must be new (J1, J8)`, async () => {
        const store = await openStore(shared());
        for (let round = 0; round < redis.rounds; round += 1) {
          await store.put('Code', `c${round}`, { value: round, expiresAt: inSeconds(3600) });
          expect(await racers.race(round, 32)).toEqual({
            round,
            consume: { won: 1, refused: 0 },
            putIfAbsent: { won: 1, refused: 0 },
          });
        }
        await store.close();
      }, 120_000);
    });

    it('leaves nothing of a grant that is revoked while it is written to (J2, J7)', async () => {
      const [writer, revoker] = await Promise.all([
        openStore(settings({ keyPrefix: 'grants' })),
        openStore(settings({ keyPrefix: 'grants' })),
      ]);
      const outcomes = { written: 0, refused: 0 };
      for (let round = 0; round < 40; round += 1) {
        const indexes = { grantId: `g${round}`, clientId: 'c' };
        const ids = Array.from({ length: 8 }, (_, at) => `t${round}-${at}`);
        const writes = ids.map(async (id, at) => {
          await sleep(at % 3);
          return codeOf(writer.put('Token', id, { value: id, expiresAt: inSeconds(600), indexes }));
        });
        await sleep(round % 4);
        await revoker.deleteByIndex('Token', 'grantId', `g${round}`, inSeconds(600));
        const early = await Promise.all(ids.map((id) => revoker.find('Token', id)));
        for (const code of await Promise.all(writes)) {
          expect([undefined, 'ERR_STORAGE_REVOKED']).toContain(code);
          outcomes[code === undefined ? 'written' : 'refused'] += 1;
        }
        const late = await Promise.all(ids.map((id) => revoker.find('Token', id)));
        expect([...early, ...late].filter((record) => record !== undefined)).toEqual([]);
        expect(await writer.listByIndex('Token', 'grantId', `g${round}`)).toEqual([]);
      }
      expect(outcomes.refused).toBeGreaterThan(0);
      expect(await writer.listByIndex('Token', 'clientId', 'c')).toEqual([]);
      await Promise.all([writer.close(), revoker.close()]);
    }, 60_000);

    it('keeps no key without an end or an owner (STYLE: STORAGE)', async () => {
      const own = settings();
      const store = await openStore(own);
      const lasting = async () => {
        const keys = await keysOf(redis.servers(), own.keyPrefix);
        const named = keys
          .filter(({ ttl }) => ttl === -1)
          .map(({ key }) => key.slice(own.keyPrefix.length + 1));
        // The number of the schema belongs to the store itself.
        return named.filter((key) => key !== 'schema');
      };
      const ending = { value: 1, expiresAt: inSeconds(60), indexes: { owner: 'o', other: 'p' } };
      await store.put('Kind', 'ends', ending);
      await store.consume('Kind', 'ends');
      await store.putIfAbsent('Kind', 'new', ending);
      await store.delete('Kind', 'new');
      await store.deleteByIndex('Kind', 'other', 'q', inSeconds(60));
      await store.isHealthy();
      expect(await lasting()).toEqual([]);

      await store.put('Kind', 'stays', { value: 1, indexes: { owner: 'o' } });
      await store.allocate('numbers', 1);
      expect((await lasting()).toSorted()).toEqual([
        'counter:{numbers}',
        'index:{Kind:owner:o}',
        'record:{Kind:stays}',
      ]);
      await store.delete('Kind', 'stays');
      expect(await lasting()).toEqual(['counter:{numbers}']);

      // Replaced or removed, a record leaves no registration behind.
      await store.put('Kind', 'ends', { ...ending, indexes: {} });
      const indexes = (await keysOf(redis.servers(), own.keyPrefix)).filter(({ key }) =>
        key.includes(':index:'),
      );
      expect(indexes.map(({ key }) => key.slice(own.keyPrefix.length + 1))).toEqual(['index:{Kind:other:q}']);
      await store.delete('Kind', 'ends');
      const left = (await keysOf(redis.servers(), own.keyPrefix)).map(({ key }) => key);
      expect(left.filter((key) => key.includes(':record:'))).toEqual([]);
      await store.close();
    });
  });
}

async function keysOf(servers: readonly Redis[], prefix: string): Promise<{ key: string; ttl: number }[]> {
  const found = new Map<string, number>();
  for (const server of servers) {
    const role = (await server.info('replication')).includes('role:master');
    if (!role) continue;
    for (const key of await server.keys(`${prefix}:*`)) found.set(key, await server.ttl(key));
  }
  return [...found].map(([key, ttl]) => ({ key, ttl }));
}
