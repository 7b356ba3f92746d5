import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { type Budget, createRedisGroupWrite } from './redis-group-write.ts';
import { createRedisKeys } from './redis-keys.ts';
import { connectRedis } from './redis-primaries.ts';
import { countRecords, findRecord, listRecords, pageOfRecords } from './redis-reads.ts';
import { ALLOCATE, CONSUME, HEALTH, SET_BIT } from './redis-scripts.ts';
import { assertKnownRedisSchema } from './redis-schema.ts';
import type { RedisSettings } from './redis-settings.ts';
import { deleteByIndex, deleteRecord, nonce, type RedisParts, writeRecord } from './redis-writes.ts';
import { replacedJson, type Store } from '../store.ts';

export interface RedisStoreOptions {
  readonly settings: RedisSettings;
  readonly clock: Clock;
  readonly log: Log;
}

/** Slots that the health check writes to in a Cluster: enough to reach each of a few primaries. */
const HEALTH_PARTS = 8;

/**
 * The store of several hosts: one Redis, a primary under Sentinel, or a Cluster.
 *
 * **Decisions.** A record is one key, and each deciding script runs on one key. Redis runs scripts one after the other,
 * in a Cluster too. A script whose answer was lost is never sent again. If a layer below repeats it all the same, the
 * token of the call makes the second run answer like the first.
 *
 * **Tombstones.** Without slots one script writes a record under its indexes, and one sets a tombstone. In a Cluster the
 * keys lie in different slots; docs/decisions/redis-slots-and-tombstones.md has the state table. When `deleteByIndex`
 * returns, the index holds no record and will hold none.
 *
 * **Replicas.** A primary that dies loses the writes that no replica has: consumptions, tombstones. With `waitReplicas`
 * a write is acknowledged only when so many replicas have it. With fewer replicas the operation is refused, although
 * the write may exist. Each refusal is safe: `consume` and `putIfAbsent` use up a value for which nothing was issued;
 * `delete` and `deleteByIndex` can be repeated; `put` leaves a record whose identifier was never issued; `allocate` skips
 * numbers. The registrations of a Cluster wait for replicas too.
 *
 * **Time.** The clock of the caller decides whether a record is live, as in every store. Redis removes keys by its own
 * clock, after the same duration and a margin, so the two clocks need not agree.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when Redis does not answer, evicts keys, is too old, or holds the schema of a newer version
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { settings, clock, log } = options;
  const primaries = await connectRedis(settings, log);
  const keys = createRedisKeys(settings.keyPrefix);
  try {
    await assertKnownRedisSchema(primaries.reader, keys.schema);
  } catch (error) {
    primaries.close();
    throw error;
  }
  const wait = { replicas: settings.waitReplicas, milliseconds: settings.waitTimeoutMilliseconds };
  const parts: RedisParts = {
    primaries,
    group: createRedisGroupWrite(primaries, wait),
    keys,
    now: () => clock.now().getTime(),
  };
  return storeOver(parts, (operation, work) =>
    inBudget({ operation, problem: primaries.problem, milliseconds: settings.timeoutMilliseconds }, work),
  );
}

type Within = <T>(operation: string, work: (budget: Budget) => Promise<T>) => Promise<T>;

function storeOver(parts: RedisParts, within: Within): Store {
  const { primaries, group, keys, now } = parts;
  const list = (kind: string, name: string, value: string) =>
    within('find', () => listRecords(parts, kind, keys.index(kind, name, value)));
  const writeHealth = (budget: Budget, part: number) =>
    group.run({ script: HEALTH, keys: [keys.health(part)], args: [] }, budget);
  const healthParts = Array.from({ length: primaries.isCluster ? HEALTH_PARTS : 1 }, (_, part) => part);

  return {
    find: (kind, id) => within('find', () => findRecord(parts, kind, id)),
    findByIndex: async (kind, name, value) => (await list(kind, name, value)).at(-1),
    listByIndex: list,
    listPage: (kind, name, value, page) =>
      within('find', () => pageOfRecords(parts, { kind, index: keys.index(kind, name, value) }, page)),
    count: (kind, name, value, most) =>
      within('find', () => countRecords(parts, { kind, index: keys.index(kind, name, value) }, most)),

    put: async (kind, id, record) => {
      await within('put', (budget) => writeRecord(parts, { kind, id, record, mode: 'any' }, budget));
    },
    putIfAbsent: (kind, id, record) =>
      within('putIfAbsent', (budget) => writeRecord(parts, { kind, id, record, mode: 'new' }, budget)),
    replace: async (kind, read, record) => {
      const replaced = replacedJson(read, record);
      const write = { kind, id: read.id, record, mode: 'same', replaced } as const;
      return within('replace', (budget) => writeRecord(parts, write, budget));
    },
    consume: (kind, id) =>
      within('consume', async (budget) => {
        const call = { script: CONSUME, keys: [keys.record(kind, id)], args: [now(), nonce()] };
        return (await group.run(call, budget)) === 1;
      }),
    delete: (kind, id) => within('delete', (budget) => deleteRecord(parts, { kind, id }, budget)),
    deleteAll: (kind, ids) =>
      within('delete', async (budget) => {
        await Promise.all(ids.map((id) => deleteRecord(parts, { kind, id }, budget)));
      }),
    deleteByIndex: (kind, name, value, until) =>
      within('deleteByIndex', (budget) => deleteByIndex(parts, { kind, name, value, until }, budget)),
    allocate: (counter, count) =>
      within('allocate', async (budget) =>
        Number(await group.run({ script: ALLOCATE, keys: [keys.counter(counter)], args: [count] }, budget)),
      ),

    setBit: (bitmap, bit, expiresAt) =>
      within('setBit', async (budget) => {
        const args = [bit ^ 7, now(), expiresAt.getTime()];
        await group.run({ script: SET_BIT, keys: [keys.bitmap(bitmap)], args }, budget);
      }),
    hasBit: (bitmap, bit) =>
      within('find', async () => (await primaries.reader.getbit(keys.bitmap(bitmap), bit ^ 7)) === 1),
    findBits: (bitmap) =>
      within('find', async () => (await primaries.reader.getBuffer(keys.bitmap(bitmap))) ?? Buffer.alloc(0)),

    isHealthy: () =>
      within('health', (budget) => Promise.all(healthParts.map((part) => writeHealth(budget, part)))).then(
        () => true,
        () => false,
      ),
    close: async () => primaries.close(),
  };
}

interface Operation {
  readonly operation: string;
  /** The reason why Redis must not be used at present. */
  readonly problem: () => string | undefined;
  readonly milliseconds: number;
}

/** Runs the work within the time of an operation. Every failure becomes ERR_STORAGE_UNAVAILABLE. */
export function inBudget<T>(
  { operation, problem, milliseconds }: Operation,
  work: (budget: Budget) => Promise<T>,
): Promise<T> {
  const budget = { isOver: false };
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      reject(
        isRefusal(cause) ? cause : new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause }),
      );
    };
    const timer = setTimeout(() => {
      budget.isOver = true;
      fail(new Error(`no answer in ${milliseconds} ms`));
    }, milliseconds);
    const found = problem();
    if (found !== undefined) {
      fail(new Error(found));
      return;
    }
    work(budget).then((value) => {
      clearTimeout(timer);
      resolve(value);
    }, fail);
  });
}
