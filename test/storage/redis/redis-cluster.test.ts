import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { createRedisGroupWrite } from '../../../src/storage/redis/redis-group-write.ts';
import { createRedisKeys } from '../../../src/storage/redis/redis-keys.ts';
import { connectRedis } from '../../../src/storage/redis/redis-primaries.ts';
import { PUT } from '../../../src/storage/redis/redis-scripts.ts';
import { type RedisParts, writeRecord } from '../../../src/storage/redis/redis-writes.ts';
import { codeOf, describeRedisStore, inSeconds, openStore, redisSettings } from './redis-contract.ts';
import { type RedisCluster, startRedisCluster } from './redis-groups.ts';
import { hasRedis } from './redis-servers.ts';

let cluster: RedisCluster;
const address = () => ({ nodes: cluster.addresses, waitReplicas: 1 });
const slotOf = (key: string) => Number(new Command('exists', [key]).getSlot());

describe.skipIf(!hasRedis)('on a Cluster of six', () => {
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.close());

  describeRedisStore('Redis Cluster', {
    address,
    servers: () => cluster.nodes.map(({ admin }) => admin),
    rounds: 50,
  });

  it('ends in its grave a write that has registered before the tombstone and comes after it (J2)', async () => {
    const settings = redisSettings(address());
    const revoker = await openStore(settings);
    const primaries = await connectRedis(settings, silentLog);
    const group = createRedisGroupWrite(primaries, { replicas: 1, milliseconds: 400 });
    const parked = Promise.withResolvers<void>();
    const registered = Promise.withResolvers<void>();
    const parts: RedisParts = {
      primaries,
      keys: createRedisKeys(settings.keyPrefix),
      now: () => systemClock.now().getTime(),
      group: {
        async run(call, budget) {
          if (call.script === PUT) {
            registered.resolve();
            await parked.promise;
          }
          return group.run(call, budget);
        },
      },
    };
    const record = { value: 1, expiresAt: inSeconds(600), indexes: { grantId: 'g', clientId: 'c' } };
    const write = writeRecord(parts, { kind: 'Token', id: 't', record, mode: 'any' }, { isOver: false });
    await registered.promise;
    await revoker.deleteByIndex('Token', 'grantId', 'g', inSeconds(60));
    // Another record that is removed in between takes no grave with it.
    await revoker.put('Token', 't', { ...record, indexes: { clientId: 'c' } });
    await revoker.delete('Token', 't');
    parked.resolve();
    expect(await codeOf(write)).toBe('ERR_STORAGE_REVOKED');
    expect(await revoker.find('Token', 't')).toBeUndefined();
    expect(await revoker.listByIndex('Token', 'clientId', 'c')).toEqual([]);
    await revoker.put('Token', 't', { ...record, indexes: { clientId: 'c' } });
    expect((await revoker.findByIndex('Token', 'clientId', 'c'))?.id).toBe('t');
    primaries.close();
    await revoker.close();
  });

  it('drops what a node that hangs was not sent in time, and does not keep it for later (M2)', async () => {
    const settings = redisSettings({ ...address(), waitReplicas: 0 });
    const store = await openStore(settings);
    const keys = createRedisKeys(settings.keyPrefix);
    const ids = Array.from({ length: 100 }, (_, at) => `l${at}`)
      .filter((id) => slotOf(keys.record('Late', id)) < 5000)
      .slice(0, 3);
    const put = (id = '') => codeOf(store.put('Late', id, { value: 1, expiresAt: inSeconds(60) }));
    cluster.nodes[0]?.process.kill('SIGSTOP');
    try {
      const first = put(ids[0]);
      await sleep(50);
      const second = put(ids[1]);
      expect(await first).toBe('ERR_STORAGE_UNAVAILABLE');
      expect(await Promise.all([second, put(ids[2])])).toEqual(
        ids.slice(1).map(() => 'ERR_STORAGE_UNAVAILABLE'),
      );
    } finally {
      cluster.nodes[0]?.process.kill('SIGCONT');
    }
    await expect.poll(() => store.isHealthy(), { timeout: 15_000 }).toBe(true);
    await sleep(300);
    expect(await Promise.all(ids.slice(1).map((id) => store.find('Late', id)))).toEqual([
      undefined,
      undefined,
    ]);
    await store.close();
  }, 30_000);

  it('has every mark and tombstone after a primary is killed, and is back within 10 seconds (M3, R9)', async () => {
    const store = await openStore(redisSettings(address()));
    const record = { value: 1, expiresAt: inSeconds(600), indexes: { grantId: 'g' } };
    for (let at = 0; at < 60; at += 1) {
      await store.put('Code', `c${at}`, record);
      expect(await store.consume('Code', `c${at}`)).toBe(true);
      await store.deleteByIndex('Token', 'grantId', `g${at}`, inSeconds(600));
    }
    await cluster.failOver(1);
    await expect.poll(() => store.isHealthy(), { timeout: 10_000 }).toBe(true);
    for (let at = 0; at < 60; at += 1) {
      expect(await store.consume('Code', `c${at}`)).toBe(false);
      const revoked = { ...record, indexes: { grantId: `g${at}` } };
      expect(await codeOf(store.put('Token', `t${at}`, revoked))).toBe('ERR_STORAGE_REVOKED');
    }
    await store.close();
  }, 40_000);

  it.each([
    ['another', false],
    ['a new', true],
  ])(
    'goes on without a fault while a slot is on its way to %s node (M6)',
    async (_which, isNew) => {
      const joined = isNew ? await cluster.join() : undefined;
      const settings = redisSettings({ ...address(), waitReplicas: isNew ? 0 : 1 });
      const store = await openStore(settings);
      const keys = createRedisKeys(settings.keyPrefix);
      const slot = slotOf(keys.record('Code', isNew ? 'c1' : 'c0'));
      // Two records and an index in the slot that moves, so that it is halfway for a while.
      const inSlot = Array.from({ length: 200_000 }, (_, at) => `c${at}`).filter(
        (id) => slotOf(keys.record('Code', id)) === slot,
      );
      const grant = Array.from({ length: 200_000 }, (_, at) => `g${at}`).find(
        (value) => slotOf(keys.index('Code', 'grantId', value)) === slot,
      );
      const record = { value: 1, expiresAt: inSeconds(600), indexes: { grantId: grant ?? '' } };
      const [one = '', two = '', three = '', four = ''] = inSlot;
      await Promise.all([one, two].map((id) => store.put('Code', id, record)));
      const use = async () => {
        await Promise.all([three, four].map((id) => store.put('Code', id, record)));
        expect((await Promise.all(inSlot.slice(0, 4).map((id) => store.find('Code', id)))).length).toBe(4);
        expect(await store.listByIndex('Code', 'grantId', grant ?? '')).toHaveLength(4);
        expect(await store.putIfAbsent('Code', three, record)).toBe(false);
      };
      await cluster.moveSlot(
        slot,
        async () => {
          await use();
          expect(await store.consume('Code', one)).toBe(true);
          expect(await store.consume('Code', three)).toBe(true);
        },
        joined,
      );
      await use();
      const answers = await Promise.all([one, two, three, four].map((id) => store.consume('Code', id)));
      expect(answers).toEqual([false, true, false, true]);
      await store.deleteByIndex('Code', 'grantId', grant ?? '', inSeconds(60));
      expect(await store.listByIndex('Code', 'grantId', grant ?? '')).toEqual([]);
      await store.close();
    },
    30_000,
  );
});
