import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Store, StoredRecord } from '../store.ts';
import type { Connection } from './sqlite-connection.ts';
import { PART_BITS } from './sqlite-operations.ts';
import { placeOf } from './sqlite-schema.ts';
import { waiting } from './sqlite-waiting.ts';

/** Longest wait of a read for a process that recovers the file after a crash. */
const READ_MILLISECONDS = 1500;
const LIVE = '(expires_at IS NULL OR expires_at > :now)';
const COLUMNS = 'r.id, r.value, r.consumed_at, r.expires_at, r.key';
const INDEXED = `record_index i JOIN record r ON r.key = i.key
  WHERE i.place = :place AND i.name = :name AND i.value = :value AND r.kind = :kind`;

type PreparedReads = ReturnType<typeof preparedReads>;

export type SqliteReads = Pick<
  Store,
  'find' | 'findByIndex' | 'listByIndex' | 'listPage' | 'count' | 'hasBit' | 'findBits'
>;

interface ReadParts {
  readonly reader: Connection<PreparedReads>;
  readonly now: () => number;
}

/** A record: id, value, consumed at, end, key. */
type Row = readonly [string, string, number | null, number | null, number];
/** A part of a bitmap. */
type BitsRow = readonly [part: number, bits: Uint8Array];

/**
 * The reads of one record take arguments by position, and every read answers with arrays. With names in their place, and a
 * promise for each read, `find` costs 1.5 to 2 × the CPU (in a loop).
 */
export function preparedReads(database: DatabaseSync) {
  const sql = (text: string) => {
    const statement = database.prepare(text);
    statement.setReturnArrays(true);
    return {
      one: (...words: SQLInputValue[]) => statement.get(...words) as unknown,
      all: (words: Record<string, SQLInputValue>) => statement.all(words) as unknown,
    };
  };
  return {
    find: sql(
      `SELECT ${COLUMNS} FROM record r
       WHERE r.place = ? AND kind = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)`,
    ),
    byIndex: sql(`SELECT ${COLUMNS} FROM ${INDEXED} AND ${LIVE} ORDER BY r.written, r.key`),
    // In the order of the index: by `r.key`, which is equal, SQLite sorts all records of the index for each page.
    page: sql(`SELECT ${COLUMNS} FROM ${INDEXED} AND i.key > :after AND ${LIVE} ORDER BY i.key LIMIT :limit`),
    count: sql(`SELECT count(*) FROM (SELECT 1 FROM ${INDEXED} AND ${LIVE} LIMIT :most)`),
    bits: sql('SELECT part, bits FROM bitmap WHERE name = :bitmap AND part BETWEEN :first AND :last'),
    bitsOfPart: sql('SELECT part, bits FROM bitmap WHERE name = ? AND part = ?'),
  };
}

/** The reads of the store, on the calling thread. */
export function readsOver({ reader, now }: ReadParts): SqliteReads {
  const read = <T>(work: (statements: PreparedReads) => T) =>
    waiting('find', READ_MILLISECONDS, () => reader.use(work));
  const indexPlace = (kind: string, name: string, value: string) => ({
    ...{ kind, name, value, place: placeOf(kind, name, value), now: now() },
  });
  const recordsByIndex = async (kind: string, name: string, value: string) =>
    ((await read(({ byIndex }) => byIndex.all(indexPlace(kind, name, value)))) as Row[]).map(recordOf);

  return {
    find: async (kind, id) => {
      const row = await read(({ find }) => find.one(placeOf(kind, id), kind, id, now()));
      return row === undefined ? undefined : recordOf(row as Row);
    },
    findByIndex: async (kind, name, value) => (await recordsByIndex(kind, name, value)).at(-1),
    listByIndex: recordsByIndex,
    listPage: async (kind, name, value, { after, limit }) => {
      const words = { ...indexPlace(kind, name, value), after: keyOf(after), limit: limit + 1 };
      const rows = (await read(({ page }) => page.all(words))) as Row[];
      const records = rows.slice(0, limit).map(recordOf);
      const last = rows.at(limit - 1);
      return rows.length > limit && last !== undefined ? { records, next: String(last[4]) } : { records };
    },
    count: async (kind, name, value, most) => {
      const words = { ...indexPlace(kind, name, value), most };
      const [[count]] = (await read((statements) => statements.count.all(words))) as [[number]];
      return count;
    },

    hasBit: async (bitmap, bit) => {
      const part = Math.floor(bit / PART_BITS);
      const row = await read(({ bitsOfPart }) => bitsOfPart.one(bitmap, part) as BitsRow | undefined);
      return row !== undefined && ((row[1][(bit % PART_BITS) >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
    },
    findBits: async (bitmap) => {
      const words = { bitmap, first: 0, last: Number.MAX_SAFE_INTEGER };
      const rows = (await read(({ bits }) => bits.all(words))) as BitsRow[];
      const bits = Buffer.alloc((Math.max(-1, ...rows.map(([part]) => part)) + 1) * (PART_BITS / 8));
      for (const [part, some] of rows) bits.set(some, part * (PART_BITS / 8));
      return bits;
    },
  };
}

/** The position of a page. Any other text is one too: the first. */
function keyOf(after: string | undefined): number {
  const key = Number(after ?? 0);
  return Number.isSafeInteger(key) ? key : 0;
}

function recordOf([id, value, consumedAt, expiresAt]: Row): StoredRecord {
  return {
    id,
    value: JSON.parse(value),
    ...(consumedAt === null ? {} : { consumedAt: new Date(consumedAt) }),
    ...(expiresAt === null ? {} : { expiresAt: new Date(expiresAt) }),
  };
}
