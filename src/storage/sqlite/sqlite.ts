import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { type Connection, createConnection, isBusy, makeFile } from './sqlite-connection.ts';
import { followExpiry } from './sqlite-purge.ts';
import { PART_BITS } from './sqlite-operations.ts';
import { placeOf } from './sqlite-schema.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import { type RecordToStore, replacedJson, type Store, type StoredRecord } from '../store.ts';

export interface SqliteStoreOptions {
  /** Created when absent, readable by its owner only. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How often expired rows are removed. Default 30. */
  readonly purgeSeconds?: number;
  /** Caps the file, in pages of 4 kB; a write beyond it is refused as on a full disk. Default: the disk. */
  readonly maxPages?: number;
}

/** Longest wait of a start for other processes that open the same new file, or migrate an old one. */
const OPEN_MILLISECONDS = 15_000;
/** Longest wait of a read for a process that recovers the file after a crash. */
const READ_MILLISECONDS = 1500;
const RETRY_MILLISECONDS = 5;
const PURGE_SECONDS = 30;
const LIVE = '(expires_at IS NULL OR expires_at > :now)';
const COLUMNS = 'r.key, r.id, r.value, r.consumed_at, r.expires_at';
const INDEXED = `record_index i JOIN record r ON r.key = i.key
  WHERE i.place = :place AND i.name = :name AND i.value = :value AND r.kind = :kind`;

/**
 * The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that acknowledged writes survive a crash
 * and a power cut. Reads run on the calling thread, mostly in memory. Writes run on a separate thread, where waiting
 * writes share one transaction and one fsync. Several processes of one machine may use the file.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when the file cannot be opened, is damaged or is of a newer version
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { file, maxPages, clock, log } = options;
  const target = { file, ...(maxPages === undefined ? {} : { maxPages }) };
  const reader = createConnection({ ...target, isChecked: true }, preparedReads);
  await waiting('open', OPEN_MILLISECONDS, () => {
    makeFile(file);
    reader.use(() => undefined);
  });
  const writer = new SqliteWriter(target);
  try {
    await writer.open(OPEN_MILLISECONDS);
  } catch (cause) {
    await writer.close();
    reader.close();
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'open' }, { cause });
  }
  const now = () => clock.now().getTime();
  const purge = followExpiry({ writer, now, log, seconds: options.purgeSeconds ?? PURGE_SECONDS });
  return storeOver({
    reader,
    writer,
    now,
    close: async () => {
      await purge.close();
      await writer.close();
      reader.close();
    },
  });
}

interface Row {
  readonly key: number;
  readonly id: string;
  readonly value: string;
  readonly consumed_at: number | null;
  readonly expires_at: number | null;
}

function preparedReads(database: DatabaseSync) {
  return {
    find: database.prepare(
      `SELECT ${COLUMNS} FROM record r WHERE r.place = :place AND kind = :kind AND id = :id AND ${LIVE}`,
    ),
    byIndex: database.prepare(`SELECT ${COLUMNS} FROM ${INDEXED} AND ${LIVE} ORDER BY r.written, r.key`),
    page: database.prepare(
      `SELECT ${COLUMNS} FROM ${INDEXED} AND r.key > :after AND ${LIVE} ORDER BY r.key LIMIT :limit`,
    ),
    count: database.prepare(
      `SELECT count(*) AS count FROM (SELECT 1 FROM ${INDEXED} AND ${LIVE} LIMIT :most)`,
    ),
    bits: database.prepare(
      'SELECT part, bits FROM bitmap WHERE name = :bitmap AND part BETWEEN :first AND :last',
    ),
  };
}

interface BitsRow {
  readonly part: number;
  readonly bits: Uint8Array;
}

interface Parts {
  readonly reader: Connection<ReturnType<typeof preparedReads>>;
  readonly writer: SqliteWriter;
  readonly now: () => number;
  readonly close: () => Promise<void>;
}

function storeOver({ reader, writer, now, close }: Parts): Store {
  const toWrite = (kind: string, id: string, record: RecordToStore) => ({
    kind,
    id,
    json: JSON.stringify(record.value),
    expires: record.expiresAt?.getTime() ?? null,
    indexes: Object.entries(record.indexes ?? {}),
    now: now(),
  });

  return {
    ...readsOver({ reader, now }),
    put: async (kind, id, record) => {
      await writer.write({ do: 'put', ...toWrite(kind, id, record) });
    },
    putIfAbsent: async (kind, id, record) =>
      (await writer.write({ do: 'putIfAbsent', ...toWrite(kind, id, record) })) === true,
    replace: async (kind, read, record) => {
      const readJson = replacedJson(read, record);
      return (await writer.write({ do: 'replace', readJson, ...toWrite(kind, read.id, record) })) === true;
    },
    consume: async (kind, id) => (await writer.write({ do: 'consume', kind, id, now: now() })) === true,
    delete: async (kind, id) => {
      await writer.write({ do: 'delete', kind, ids: [id] });
    },
    deleteAll: async (kind, ids) => {
      if (ids.length > 0) await writer.write({ do: 'delete', kind, ids });
    },
    deleteByIndex: async (kind, name, value, tombstoneUntil) => {
      await writer.write({ do: 'deleteByIndex', kind, name, value, until: tombstoneUntil.getTime() });
    },
    allocate: async (counter, count) => Number(await writer.write({ do: 'allocate', counter, count })),
    setBit: async (bitmap, bit, expiresAt) => {
      await writer.write({ do: 'setBit', bitmap, bit, expires: expiresAt.getTime() });
    },

    // A real write, since an empty transaction succeeds on a full or read-only disk.
    isHealthy: () =>
      writer.write({ do: 'allocate', counter: 'health', count: 1 }).then(
        () => true,
        () => false,
      ),
    close,
  };
}

type Reads = Pick<
  Store,
  'find' | 'findByIndex' | 'listByIndex' | 'listPage' | 'count' | 'hasBit' | 'findBits'
>;

function readsOver({ reader, now }: Pick<Parts, 'reader' | 'now'>): Reads {
  const read = <T>(work: (statements: ReturnType<typeof preparedReads>) => T) =>
    waiting('find', READ_MILLISECONDS, () => reader.use(work));
  const indexPlace = (kind: string, name: string, value: string) => ({
    ...{ kind, name, value, place: placeOf(kind, name, value), now: now() },
  });
  const rowsByIndex = (kind: string, name: string, value: string) =>
    read(({ byIndex }) => byIndex.all(indexPlace(kind, name, value)) as unknown as Row[]);
  const bitsOf = (bitmap: string, first: number, last: number) =>
    read(({ bits }) => bits.all({ bitmap, first, last }) as unknown as BitsRow[]);

  return {
    find: async (kind, id) => {
      const words = { kind, id, place: placeOf(kind, id), now: now() };
      const row = await read(({ find }) => find.get(words) as unknown as Row | undefined);
      return row === undefined ? undefined : recordOf(row);
    },
    findByIndex: async (kind, name, value) => {
      const row = (await rowsByIndex(kind, name, value)).at(-1);
      return row === undefined ? undefined : recordOf(row);
    },
    listByIndex: async (kind, name, value) => (await rowsByIndex(kind, name, value)).map(recordOf),
    listPage: async (kind, name, value, { after, limit }) => {
      const words = { ...indexPlace(kind, name, value), after: keyOf(after), limit: limit + 1 };
      const rows = await read(({ page }) => page.all(words) as unknown as Row[]);
      const records = rows.slice(0, limit).map(recordOf);
      const last = rows.at(limit - 1);
      return rows.length > limit && last !== undefined ? { records, next: String(last.key) } : { records };
    },
    count: (kind, name, value, most) =>
      read(({ count }) => Number(count.get({ ...indexPlace(kind, name, value), most })?.count)),

    hasBit: async (bitmap, bit) => {
      const part = Math.floor(bit / PART_BITS);
      const [row] = await bitsOf(bitmap, part, part);
      return row !== undefined && ((row.bits[(bit % PART_BITS) >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
    },
    findBits: async (bitmap) => {
      const rows = await bitsOf(bitmap, 0, Number.MAX_SAFE_INTEGER);
      const bits = Buffer.alloc((Math.max(-1, ...rows.map(({ part }) => part)) + 1) * (PART_BITS / 8));
      for (const row of rows) bits.set(row.bits, row.part * (PART_BITS / 8));
      return bits;
    },
  };
}

/** Runs the work, and repeats it while another process holds the file. Other work of this process goes on. */
async function waiting<T>(operation: string, milliseconds: number, work: () => T): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    try {
      return work();
    } catch (cause) {
      if (isRefusal(cause)) throw cause;
      if (!isBusy(cause) || performance.now() > deadline) {
        throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
      }
      await sleep(RETRY_MILLISECONDS);
    }
  }
}

/** The position of a page. Any other text is one too: the first. */
function keyOf(after: string | undefined): number {
  const key = Number(after ?? 0);
  return Number.isSafeInteger(key) ? key : 0;
}

function recordOf(row: Row): StoredRecord {
  return {
    id: row.id,
    value: JSON.parse(row.value),
    ...(row.consumed_at === null ? {} : { consumedAt: new Date(row.consumed_at) }),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
  };
}
