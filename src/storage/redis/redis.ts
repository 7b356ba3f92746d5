import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { type Budget, createRedisGroupWrite } from './redis-group-write.ts';
import { createRedisKeys } from './redis-keys.ts';
import { connectRedis } from './redis-primaries.ts';
import { findRecord, listRecords } from './redis-reads.ts';
import { ALLOCATE, CONSUME, HEALTH } from './redis-scripts.ts';
import type { RedisSettings } from './redis-settings.ts';
import { deleteByIndex, deleteRecord, nonce, type RedisParts, writeRecord } from './redis-writes.ts';
import type { Store } from '../store.ts';

export interface RedisStoreOptions {
  readonly settings: RedisSettings;
  readonly clock: Clock;
  readonly log: Log;
}

/** Slots that the health check writes to in a Cluster: enough to meet each of a few primaries. */
const HEALTH_PARTS = 8;

/**
 * The store of several hosts: one Redis, a primary under Sentinel, or a Cluster.
 *
 * **What happens once.** A record is one key, and each script that decides something runs on one key: Redis runs
 * scripts one after the other, in a Cluster too. A script is never sent a second time when its answer was lost;
 * if something below did so, the token of the call makes the second run answer as the first.
 *
 * **No record under a tombstone.** Where there are no slots, one script looks for tombstones, writes the record
 * and registers it in its indexes, and another one sets a tombstone and removes what has registered. In a Cluster these are keys of different slots: `put` first registers a nonce
 * of its own in each index, which refuses it if there is a tombstone, then writes the record. `deleteByIndex`
 * sets the tombstone and reads the registrations in one script, then goes to each record: if the record is that
 * registration's, it is removed, else a grave for that nonce is left, which refuses the write that is still to
 * come. So a write has registered before the tombstone, and is found, or after it, and is refused: when
 * `deleteByIndex` is done, nothing of that index is there, or can come. Registrations are removed only after
 * their write is known to be over, or when their record has ended. A registration whose record is not, or no
 * longer, its own says nothing. A write that breaks off in between leaves its registration behind until the record
 * would have ended; if it would not, it stays.
 *
 * **Replicas.** A primary that dies takes with it what no replica has: a mark of use, a tombstone. With
 * `waitReplicas` every write is acknowledged only when so many replicas have it; fewer, and the operation is
 * refused although it may be there. That is the safe side for each: `consume` and `putIfAbsent` burn a value
 * that nobody has been given anything for; `delete` and `deleteByIndex` can be repeated; `put` leaves a record
 * whose identifier nobody knows; `allocate` skips numbers. The registrations of a Cluster need it too.
 *
 * **Time.** What is live is decided by the clock of the caller, as in every store. Redis removes by its own clock
 * after the same length of time and a margin, so that its clock need not agree.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when Redis is not there, or must not be used (it evicts, it is too old)
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { settings, clock, log } = options;
  const primaries = await connectRedis(settings, log);
  const wait = { replicas: settings.waitReplicas, milliseconds: settings.waitTimeoutMilliseconds };
  const parts: RedisParts = {
    primaries,
    group: createRedisGroupWrite(primaries, wait),
    keys: createRedisKeys(settings.keyPrefix),
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

    put: async (kind, id, record) => {
      await within('put', (budget) => writeRecord(parts, { kind, id, record, mode: 'any' }, budget));
    },
    putIfAbsent: (kind, id, record) =>
      within('putIfAbsent', (budget) => writeRecord(parts, { kind, id, record, mode: 'new' }, budget)),
    consume: (kind, id) =>
      within('consume', async (budget) => {
        const call = { script: CONSUME, keys: [keys.record(kind, id)], args: [now(), nonce()] };
        return (await group.run(call, budget)) === 1;
      }),
    delete: (kind, id) => within('delete', (budget) => deleteRecord(parts, { kind, id }, budget)),
    deleteByIndex: (kind, name, value, until) =>
      within('deleteByIndex', (budget) => deleteByIndex(parts, { kind, name, value, until }, budget)),
    allocate: (counter, count) =>
      within('allocate', async (budget) =>
        Number(await group.run({ script: ALLOCATE, keys: [keys.counter(counter)], args: [count] }, budget)),
      ),

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
  /** Why Redis must not be used at present. */
  readonly problem: () => string | undefined;
  readonly milliseconds: number;
}

/** Does the work in the time that an operation has; whatever goes wrong is the same refusal. */
function inBudget<T>(
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
