import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../../src/storage/store.ts';
import { type Fault, type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { codeOf, inSeconds, openStore, redisSettings } from './redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from './redis-servers.ts';

const UNAVAILABLE = 'ERR_STORAGE_UNAVAILABLE';
/** What issue 4 allows for an answer, and for coming back. */
const ANSWER_MILLISECONDS = 2000;
const RECOVERY_MILLISECONDS = 5000;

let server: RedisProcess;
let proxy: FaultProxy;
let store: Store;

/** Every operation, as the code of its refusal or undefined, and how long the slowest took. */
async function everyOperation(): Promise<{ codes: (string | undefined)[]; milliseconds: number }> {
  const record = { value: 1, expiresAt: inSeconds(60), indexes: { grantId: 'g', clientId: 'c' } };
  const from = performance.now();
  const codes = await Promise.all(
    [
      store.find('Code', 'a'),
      store.findByIndex('Code', 'clientId', 'c'),
      store.listByIndex('Code', 'clientId', 'c'),
      store.put('Code', 'b', record),
      store.putIfAbsent('Code', 'n', record),
      store.listPage('Code', 'clientId', 'c', { limit: 3 }),
      store.replace('Code', { id: 'r', value: 1 }, { ...record, value: 2 }),
      store.consume('Code', 'a'),
      store.delete('Code', 'd'),
      store.deleteByIndex('Code', 'grantId', 'other', inSeconds(60)),
      store.allocate('numbers', 1),
    ].map(codeOf),
  );
  return { codes, milliseconds: performance.now() - from };
}

const REFUSED = Array.from({ length: 11 }, () => UNAVAILABLE);
const DONE = Array.from({ length: 11 }, () => undefined);

describe.skipIf(!hasRedis)('between the store and Redis', () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.kill());
  beforeEach(async () => {
    proxy = await startFaultProxy(server.port);
    store = await openStore(redisSettings({ url: `redis://127.0.0.1:${proxy.port}` }));
    await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(60) });
  });
  afterEach(async () => {
    await store.close();
    proxy.close();
  });

  const faults: readonly [Fault, string][] = [
    ['hang', 'nothing arrives and nothing is refused'],
    ['refuse', 'connections are reset and refused'],
    ['garbage', 'the answer is of another protocol'],
    ['trickle', 'the answer begins and never ends'],
    ['reset-after-send', 'Redis does its work and the connection is reset before its answer'],
  ];
  it.each(faults)(
    '%s: says so in 2 s and is back in 5 s (M1, M2, R10): %s',
    async (fault) => {
      proxy.set(fault);
      for (let time = 0; time < 2; time += 1) {
        const { codes, milliseconds } = await everyOperation();
        expect(codes).toEqual(REFUSED);
        expect(milliseconds).toBeLessThan(ANSWER_MILLISECONDS);
        expect(await store.isHealthy()).toBe(false);
        await sleep(300);
      }
      proxy.set('none');
      await expect.poll(() => store.isHealthy(), { timeout: RECOVERY_MILLISECONDS }).toBe(true);
      expect((await everyOperation()).codes).toEqual(DONE);
    },
    20_000,
  );

  it('slow by 300 ms: answers rightly, later (M2)', async () => {
    proxy.set('slow');
    const { codes, milliseconds } = await everyOperation();
    expect(codes).toEqual(DONE);
    expect(milliseconds).toBeGreaterThan(300);
    expect(milliseconds).toBeLessThan(ANSWER_MILLISECONDS);
    expect(await store.consume('Code', 'a')).toBe(false);
  });

  it('takes one round trip for each operation, also where it goes to several records (M2)', async () => {
    const record = { value: 1, expiresAt: inSeconds(60), indexes: { grantId: 'g', clientId: 'c' } };
    const operations: Record<string, () => Promise<unknown>> = {
      put: () => store.put('Trip', 'a', record),
      'put of another in its place': () => store.put('Trip', 'a', { ...record, indexes: { grantId: 'h' } }),
      replace: () =>
        store.replace('Trip', { id: 'a', value: 1 }, { value: 2, indexes: { grantId: 'h', clientId: 'c' } }),
      putIfAbsent: () => store.putIfAbsent('Trip', 'b', record),
      find: () => store.find('Trip', 'a'),
      findByIndex: () => store.findByIndex('Trip', 'grantId', 'h'),
      listByIndex: () => store.listByIndex('Trip', 'clientId', 'c'),
      consume: () => store.consume('Trip', 'a'),
      delete: () => store.delete('Trip', 'a'),
      deleteByIndex: () => store.deleteByIndex('Trip', 'grantId', 'g', inSeconds(60)),
    };
    const trips = async () => {
      const counted: Record<string, number> = {};
      for (const [name, operation] of Object.entries(operations)) {
        const before = proxy.sent;
        await operation();
        counted[name] = proxy.sent - before;
      }
      return counted;
    };
    // Each script is sent as text once.
    await trips();
    await server.admin.flushdb();
    expect(new Set(Object.values(await trips()))).toEqual(new Set([1]));
  });

  it('drops a connection on which reads find no answer, so that the next is refused at once (M2)', async () => {
    proxy.set('hang');
    expect(await codeOf(store.find('Code', 'a'))).toBe(UNAVAILABLE);
    await sleep(100);
    const from = performance.now();
    expect(await codeOf(store.find('Code', 'a'))).toBe(UNAVAILABLE);
    expect(performance.now() - from).toBeLessThan(500);
  });

  it('refuses at once while it knows that Redis is away, instead of queueing (M1)', async () => {
    proxy.set('refuse');
    await codeOf(store.find('Code', 'a'));
    await expect
      .poll(async () => {
        const { codes, milliseconds } = await everyOperation();
        expect(codes).toEqual(REFUSED);
        return milliseconds;
      })
      .toBeLessThan(100);
  });

  it('sends nothing again whose answer was lost, and gives nobody what it carried out (M5)', async () => {
    const ids = Array.from({ length: 32 }, (_, at) => `c${at}`);
    await Promise.all(ids.map((id) => store.put('Code', id, { value: 1, expiresAt: inSeconds(60) })));
    await store.consume('Code', 'a');
    await server.admin.config('RESETSTAT');
    proxy.set('reset-after-send');
    const codes = await Promise.all(ids.map((id) => codeOf(store.consume('Code', id))));
    expect(codes).toEqual(ids.map(() => UNAVAILABLE));
    proxy.set('none');
    await expect
      .poll(() => codeOf(store.find('Code', 'a')), { timeout: RECOVERY_MILLISECONDS })
      .toBeUndefined();
    await sleep(300);
    expect(await server.admin.info('commandstats')).toContain('cmdstat_evalsha:calls=32,');
    expect(await Promise.all(ids.map((id) => store.consume('Code', id)))).toEqual(ids.map(() => false));
  }, 20_000);

  it('drops what waited longer than its time, so that a Redis that wakes up does not do it (M2)', async () => {
    server.process.kill('SIGSTOP');
    try {
      const first = codeOf(store.put('Late', 'sent', { value: 1, expiresAt: inSeconds(60) }));
      await sleep(100);
      const second = codeOf(store.put('Late', 'waiting', { value: 1, expiresAt: inSeconds(60) }));
      expect(await first).toBe(UNAVAILABLE);
      const third = codeOf(store.put('Late', 'after', { value: 1, expiresAt: inSeconds(60) }));
      expect(await Promise.all([second, third])).toEqual([UNAVAILABLE, UNAVAILABLE]);
    } finally {
      server.process.kill('SIGCONT');
    }
    await expect.poll(() => store.isHealthy(), { timeout: RECOVERY_MILLISECONDS }).toBe(true);
    await sleep(200);
    expect([await store.find('Late', 'waiting'), await store.find('Late', 'after')]).toEqual([
      undefined,
      undefined,
    ]);
  }, 20_000);
});
