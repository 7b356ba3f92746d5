import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A write, as data for the writing thread. Times are milliseconds since the epoch. */
export type Operation =
  | ({ readonly do: 'put' | 'putIfAbsent' } & RecordToWrite)
  | ({ readonly do: 'replace'; readonly readJson: string } & RecordToWrite)
  | { readonly do: 'consume'; readonly kind: string; readonly id: string; readonly now: number }
  | { readonly do: 'delete'; readonly kind: string; readonly id: string }
  | ({ readonly do: 'deleteByIndex'; readonly until: number } & IndexValue)
  | { readonly do: 'allocate'; readonly counter: string; readonly count: number }
  | { readonly do: 'setBit'; readonly bitmap: string; readonly bit: number; readonly expires: number }
  | { readonly do: 'purge'; readonly now: number; readonly limit: number };

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

/** A group of writes. `deadline` is on the clock of `monotonicMilliseconds`. */
export interface WriteRequest {
  readonly id: number;
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

const REVOKED: Outcome = Object.freeze({ isRevoked: true });
const DONE: Outcome = Object.freeze({ value: null });

/** Runs writes on a connection, inside the transaction of the caller. */
export function preparedOperations(database: DatabaseSync): (operation: Operation) => Outcome {
  const statements = prepared(database);

  const hasTombstone = ({ kind, indexes, now }: RecordToWrite) =>
    indexes.some(([name, value]) => statements.tombstone.get({ kind, name, value, now }) !== undefined);
  const reindex = ({ kind, id, indexes }: RecordToWrite) => {
    for (const [name, value] of indexes) statements.index.run({ kind, name, value, id });
  };
  const isInserted = ({ kind, id, json, expires, now }: RecordToWrite) => {
    const insert = () => statements.insert.run({ kind, id, json, expires, now }).changes === 1;
    // Deleting the expired record also ends its consumption.
    return insert() || (statements.deleteExpired.run({ kind, id, now }).changes === 1 && insert());
  };
  const put = (record: RecordToWrite): Outcome => {
    if (hasTombstone(record)) return REVOKED;
    const { kind, id, json, expires, now } = record;
    if (!isInserted(record)) {
      statements.put.run({ kind, id, json, expires, now });
      statements.unindex.run({ kind, id });
    }
    reindex(record);
    return DONE;
  };
  const putIfAbsent = (record: RecordToWrite): Outcome => {
    if (hasTombstone(record)) return REVOKED;
    const isNew = isInserted(record);
    if (isNew) reindex(record);
    return { value: isNew };
  };

  const replace = (record: RecordToWrite & { readonly readJson: string }): Outcome => {
    if (hasTombstone(record)) return REVOKED;
    const { kind, id, json, expires, now, readJson } = record;
    const isReplaced = statements.replace.run({ kind, id, json, expires, now, readJson }).changes === 1;
    if (isReplaced) {
      statements.unindex.run({ kind, id });
      reindex(record);
    }
    return { value: isReplaced };
  };

  return (operation) => {
    switch (operation.do) {
      case 'put':
        return put(operation);
      case 'putIfAbsent':
        return putIfAbsent(operation);
      case 'replace':
        return replace(operation);
      case 'consume': {
        const { kind, id, now } = operation;
        return { value: statements.consume.run({ kind, id, now }).changes === 1 };
      }
      case 'delete': {
        const { kind, id } = operation;
        statements.delete.run({ kind, id });
        return DONE;
      }
      case 'deleteByIndex': {
        const { kind, name, value, until } = operation;
        statements.setTombstone.run({ kind, name, value, until });
        statements.deleteByIndex.run({ kind, name, value });
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
        const { now, limit } = operation;
        const records = Number(statements.purge.run({ now, limit }).changes);
        const tombstones = Number(statements.purgeTombstones.run({ now, limit }).changes);
        statements.purgeBits.run({ now });
        return { value: Math.max(records, tombstones) };
      }
    }
  };
}

function setBit(
  statements: Pick<ReturnType<typeof prepared>, 'bits' | 'setBits'>,
  { bitmap, bit, expires }: Operation & { readonly do: 'setBit' },
): void {
  const part = Math.floor(bit / PART_BITS);
  const known = statements.bits.get({ bitmap, part })?.bits;
  const bits = Buffer.from(known instanceof Uint8Array ? known : new Uint8Array(PART_BITS / 8));
  const at = (bit % PART_BITS) >> 3;
  bits.writeUInt8(bits.readUInt8(at) | (1 << (bit & 7)), at);
  statements.setBits.run({ bitmap, part, bits, expires });
}

function prepared(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  return {
    put: sql(
      `INSERT INTO record (kind, id, value, expires_at, consumed_at, written)
       VALUES (:kind, :id, :json, :expires, NULL, :now)
       ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`,
    ),
    replace: sql(
      `UPDATE record SET value = :json, expires_at = :expires WHERE kind = :kind AND id = :id AND value = :readJson
         AND (expires_at IS NULL OR expires_at > :now)`,
    ),
    deleteExpired: sql(
      'DELETE FROM record WHERE kind = :kind AND id = :id AND expires_at IS NOT NULL AND expires_at <= :now',
    ),
    insert: sql(
      `INSERT INTO record (kind, id, value, expires_at, consumed_at, written)
       VALUES (:kind, :id, :json, :expires, NULL, :now) ON CONFLICT DO NOTHING`,
    ),
    consume: sql(
      `UPDATE record SET consumed_at = :now WHERE kind = :kind AND id = :id AND consumed_at IS NULL
         AND (expires_at IS NULL OR expires_at > :now)`,
    ),
    delete: sql('DELETE FROM record WHERE kind = :kind AND id = :id'),
    unindex: sql('DELETE FROM record_index WHERE kind = :kind AND id = :id'),
    index: sql('INSERT INTO record_index (kind, name, value, id) VALUES (:kind, :name, :value, :id)'),
    deleteByIndex: sql(
      `DELETE FROM record WHERE kind = :kind AND id IN
         (SELECT id FROM record_index WHERE kind = :kind AND name = :name AND value = :value)`,
    ),
    tombstone: sql(
      'SELECT 1 FROM tombstone WHERE kind = :kind AND name = :name AND value = :value AND until > :now',
    ),
    setTombstone: sql(
      `INSERT INTO tombstone (kind, name, value, until) VALUES (:kind, :name, :value, :until)
       ON CONFLICT (kind, name, value) DO UPDATE SET until = max(until, excluded.until)`,
    ),
    allocate: sql(
      `INSERT INTO counter (name, next) VALUES (:name, :count)
       ON CONFLICT (name) DO UPDATE SET next = next + :count RETURNING next - :count AS first`,
    ),
    purge: sql(
      `DELETE FROM record WHERE rowid IN
         (SELECT rowid FROM record WHERE expires_at IS NOT NULL AND expires_at <= :now LIMIT :limit)`,
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
