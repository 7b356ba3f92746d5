import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { placeOf } from './sqlite-schema.ts';

/** A write, as data for the writing thread. Times are milliseconds since the epoch. */
export type Operation =
  | ({ readonly do: 'put' | 'putIfAbsent' } & RecordToWrite)
  | ({ readonly do: 'replace'; readonly readJson: string } & RecordToWrite)
  | { readonly do: 'consume'; readonly kind: string; readonly id: string; readonly now: number }
  | { readonly do: 'delete'; readonly kind: string; readonly ids: readonly string[] }
  | ({ readonly do: 'deleteByIndex'; readonly until: number } & IndexValue)
  | { readonly do: 'allocate'; readonly counter: string; readonly count: number }
  | { readonly do: 'setBit'; readonly bitmap: string; readonly bit: number; readonly expires: number }
  | { readonly do: 'purge'; readonly now: number; readonly limit: number; readonly alsoBits: boolean }
  | { readonly do: 'shrink'; readonly pages: number };

interface RecordToWrite {
  readonly kind: string;
  readonly id: string;
  readonly json: string;
  readonly expires: number | null;
  readonly indexes: readonly (readonly [name: string, value: string])[];
  readonly now: number;
}

interface IndexValue {
  readonly kind: string;
  readonly name: string;
  readonly value: string;
}

/** The answer to a write: a value, or that one of its index values has a tombstone. */
export type Outcome = { readonly value: boolean | number | null } | { readonly isRevoked: true };

/** A group of writes. Times are on the clock of `monotonicMilliseconds`. */
export interface WriteRequest {
  readonly id: number;
  readonly sentAt: number;
  readonly deadline: number;
  readonly operations: readonly Operation[];
}

export interface WriteAnswer {
  readonly id: number;
  /** One outcome for each operation; absent when `fault` kept all of them from being done. */
  readonly outcomes?: readonly Outcome[];
  readonly fault?: string;
}

/** Bits of one row of a bitmap: the row is read and written for each bit. */
export const PART_BITS = 4096;

/** A file keeps as many free pages as it uses, or 16 MB, for the next records. */
const KEPT_FREE_PAGES = 4096;
const KEPT_FREE_SHARE = 0.5;

const REVOKED: Outcome = Object.freeze({ isRevoked: true });
const DONE: Outcome = Object.freeze({ value: null });
const NAMED = 'place = ?1 AND kind = ?2 AND id = ?3';

/** Runs writes on a connection, inside the transaction of the caller. */
export function preparedOperations(database: DatabaseSync): (operation: Operation) => Outcome {
  const statements = prepared(database);
  const records = new RecordWrites(statements);
  return (operation) => {
    switch (operation.do) {
      case 'put':
        return records.put(operation);
      case 'putIfAbsent':
        return records.putIfAbsent(operation);
      case 'replace':
        return records.replace(operation);
      case 'consume': {
        const { kind, id, now } = operation;
        return { value: statements.consume.run(placeOf(kind, id), kind, id, now).changes === 1 };
      }
      case 'delete': {
        const { kind, ids } = operation;
        for (const id of ids) statements.delete.run(placeOf(kind, id), kind, id);
        return DONE;
      }
      case 'deleteByIndex': {
        const { kind, name, value, until } = operation;
        statements.setTombstone.run({ kind, name, value, until });
        statements.deleteByIndex.run({ kind, name, value, place: placeOf(kind, name, value) });
        return DONE;
      }
      case 'allocate': {
        const { counter, count } = operation;
        return { value: Number(statements.allocate.get({ name: counter, count })?.first) };
      }
      case 'setBit':
        setBit(statements, operation);
        return DONE;
      case 'purge': {
        const { now, limit, alsoBits } = operation;
        const removed = Number(statements.purge.run({ now, limit }).changes);
        const tombstones = Number(statements.purgeTombstones.run({ now, limit }).changes);
        if (alsoBits) statements.purgeBits.run({ now });
        return { value: Math.max(removed, tombstones) };
      }
      case 'shrink':
        return { value: shrink(database, operation.pages) };
    }
  };
}

/** Gives up to `pages` of a file that is mostly free back to the disk; returns how many. */
function shrink(database: DatabaseSync, pages: number): number {
  const numberOf = (name: 'page_count' | 'freelist_count') =>
    Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
  const all = numberOf('page_count');
  if (numberOf('freelist_count') <= Math.max(KEPT_FREE_PAGES, all * KEPT_FREE_SHARE)) return 0;
  database.exec(`PRAGMA incremental_vacuum(${pages})`);
  return all - numberOf('page_count');
}

type Statements = ReturnType<typeof prepared>;
/** `known` answers with an array. */
type KnownRow = readonly [key: number, value: string, expiresAt: number | null];

class RecordWrites {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  put(record: RecordToWrite): Outcome {
    if (this.#hasTombstone(record)) return REVOKED;
    const place = placeOf(record.kind, record.id);
    const known = this.#known(record, place);
    if (known === undefined) {
      this.#insert(record, place);
      return DONE;
    }
    const { json, expires } = record;
    this.#statements.update.run({ key: known.key, json, expires });
    this.#reindex(known.key, record);
    return DONE;
  }

  putIfAbsent(record: RecordToWrite): Outcome {
    if (this.#hasTombstone(record)) return REVOKED;
    const place = placeOf(record.kind, record.id);
    const isNew = this.#known(record, place) === undefined;
    if (isNew) this.#insert(record, place);
    return { value: isNew };
  }

  replace(record: RecordToWrite & { readonly readJson: string }): Outcome {
    if (this.#hasTombstone(record)) return REVOKED;
    const known = this.#known(record, placeOf(record.kind, record.id));
    const isReplaced = known?.value === record.readJson;
    if (isReplaced) {
      const { json, expires } = record;
      this.#statements.update.run({ key: known.key, json, expires });
      this.#reindex(known.key, record);
    }
    return { value: isReplaced };
  }

  /** The live record of the same id. An expired one is removed, which also ends its consumption. */
  #known(record: RecordToWrite, place: number): { readonly key: number; readonly value: string } | undefined {
    const row = this.#statements.known.get(place, record.kind, record.id) as KnownRow | undefined;
    if (row === undefined) return undefined;
    const [key, value, end] = row;
    if (end === null || end > record.now) return { key, value };
    this.#statements.deleteKey.run({ key });
    return undefined;
  }

  #insert(record: RecordToWrite, place: number): void {
    const { kind, id, json, expires, now } = record;
    const { lastInsertRowid } = this.#statements.insert.run(place, kind, id, json, expires, now);
    this.#index(Number(lastInsertRowid), record);
  }

  #reindex(key: number, record: RecordToWrite): void {
    this.#statements.unindex.run({ key });
    this.#index(key, record);
  }

  #index(key: number, { kind, indexes }: RecordToWrite): void {
    for (const [name, value] of indexes) {
      this.#statements.index.run(key, name, value, placeOf(kind, name, value));
    }
  }

  #hasTombstone({ kind, indexes, now }: RecordToWrite): boolean {
    return indexes.some(
      ([name, value]) => this.#statements.tombstone.get(kind, name, value, now) !== undefined,
    );
  }
}

function setBit(
  statements: Pick<Statements, 'bits' | 'setBits'>,
  { bitmap, bit, expires }: Operation & { readonly do: 'setBit' },
): void {
  const part = Math.floor(bit / PART_BITS);
  const known = statements.bits.get({ bitmap, part })?.bits;
  const bits = Buffer.from(known instanceof Uint8Array ? known : new Uint8Array(PART_BITS / 8));
  const at = (bit % PART_BITS) >> 3;
  bits.writeUInt8(bits.readUInt8(at) | (1 << (bit & 7)), at);
  statements.setBits.run({ bitmap, part, bits, expires });
}

/**
 * The statements of each write take arguments by position. With names in their place, a hash of the identifier for each
 * statement, and groups as JSON, the writing thread needs 1.4 × the CPU for an opaque token (in a loop).
 */
function prepared(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  const known = sql(`SELECT key, value, expires_at FROM record WHERE ${NAMED}`);
  known.setReturnArrays(true);
  return {
    known,
    insert: sql(
      `INSERT INTO record (place, kind, id, value, expires_at, consumed_at, written)
       VALUES (?, ?, ?, ?, ?, NULL, ?)`,
    ),
    update: sql('UPDATE record SET value = :json, expires_at = :expires WHERE key = :key'),
    consume: sql(
      `UPDATE record SET consumed_at = ?4 WHERE ${NAMED} AND consumed_at IS NULL
         AND (expires_at IS NULL OR expires_at > ?4)`,
    ),
    delete: sql(`DELETE FROM record WHERE ${NAMED}`),
    deleteKey: sql('DELETE FROM record WHERE key = :key'),
    unindex: sql('DELETE FROM record_index WHERE key = :key'),
    index: sql('INSERT INTO record_index (key, name, value, place) VALUES (?, ?, ?, ?)'),
    deleteByIndex: sql(
      `DELETE FROM record WHERE kind = :kind AND key IN
         (SELECT key FROM record_index WHERE place = :place AND name = :name AND value = :value)`,
    ),
    tombstone: sql('SELECT 1 FROM tombstone WHERE kind = ? AND name = ? AND value = ? AND until > ?'),
    setTombstone: sql(
      `INSERT INTO tombstone (kind, name, value, until) VALUES (:kind, :name, :value, :until)
       ON CONFLICT (kind, name, value) DO UPDATE SET until = max(until, excluded.until)`,
    ),
    allocate: sql(
      `INSERT INTO counter (name, next) VALUES (:name, :count)
       ON CONFLICT (name) DO UPDATE SET next = next + :count RETURNING next - :count AS first`,
    ),
    purge: sql(
      `DELETE FROM record WHERE key IN
         (SELECT key FROM record WHERE expires_at IS NOT NULL AND expires_at <= :now LIMIT :limit)`,
    ),
    bits: sql('SELECT bits FROM bitmap WHERE name = :bitmap AND part = :part'),
    setBits: sql(
      `INSERT INTO bitmap (name, part, bits, expires_at) VALUES (:bitmap, :part, :bits, :expires)
       ON CONFLICT (name, part) DO UPDATE SET bits = excluded.bits, expires_at = max(expires_at, excluded.expires_at)`,
    ),
    purgeBits: sql('DELETE FROM bitmap WHERE expires_at <= :now'),
    purgeTombstones: sql(
      'DELETE FROM tombstone WHERE rowid IN (SELECT rowid FROM tombstone WHERE until <= :now LIMIT :limit)',
    ),
  } satisfies Record<string, StatementSync>;
}
