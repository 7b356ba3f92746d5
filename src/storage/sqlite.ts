import { chmodSync, existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '../clock.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';
import type { Log } from '../log.ts';
import { createGroupCommit, type GroupCommit } from './sqlite-group-commit.ts';
import { assertKnownSchema, migrate } from './sqlite-schema.ts';
import type { RecordToStore, Store, StoredRecord } from './store.ts';

export interface SqliteStoreOptions {
  /** Made when there is none, readable by its owner only. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How often expired rows are removed, some at a time. Default 30. */
  readonly purgeSeconds?: number;
  /** Caps the file, in pages of 4 kB; a write beyond it is refused as on a full disk. Default: the disk. */
  readonly maxPages?: number;
}

/** How long a writer waits for another process: within the two seconds in which callers expect an answer. */
const BUSY_TIMEOUT_MILLISECONDS = 1500;
const PURGE_SECONDS = 30;
/** Rows removed at once: about a millisecond, so that no request waits for the purge. */
const PURGE_BATCH = 200;

/**
 * The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that what was acknowledged survives
 * a crash and a power cut. Writes of the same turn share one transaction and one fsync. Several processes of one
 * machine may use the file.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when the file cannot be opened, is damaged or is of a newer version
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const database = opened(options);
  const commit = createGroupCommit(database);
  const statements = prepared(database);
  const now = () => options.clock.now().getTime();
  const purge = setInterval(
    () => {
      commit
        .write('purge', () => purgeBatch(statements, now()))
        .catch((error: unknown) => {
          options.log.warn('storage.purge.failed', { error });
        });
    },
    (options.purgeSeconds ?? PURGE_SECONDS) * 1000,
  );
  purge.unref();
  return storeOver({ database, commit, statements, now, stop: () => clearInterval(purge) });
}

function opened({ file, maxPages }: SqliteStoreOptions): DatabaseSync {
  try {
    const isNew = !existsSync(file);
    const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MILLISECONDS });
    if (isNew) chmodSync(file, 0o600);
    assertKnownSchema(database);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    if (maxPages !== undefined) database.exec(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`);
    migrate(database);
    return database;
  } catch (cause) {
    if (isRefusal(cause)) throw cause;
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'open' }, { cause });
  }
}

interface Row {
  readonly id: string;
  readonly value: string;
  readonly consumed_at: number | null;
  readonly expires_at: number | null;
}

const LIVE = '(expires_at IS NULL OR expires_at > :now)';

function prepared(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  return {
    find: sql(
      `SELECT id, value, consumed_at, expires_at FROM record WHERE kind = :kind AND id = :id AND ${LIVE}`,
    ),
    byIndex: sql(
      `SELECT r.id, r.value, r.consumed_at, r.expires_at FROM record_index i
       JOIN record r ON r.kind = i.kind AND r.id = i.id
       WHERE i.kind = :kind AND i.name = :name AND i.value = :value AND ${LIVE} ORDER BY r.written`,
    ),
    put: sql(
      `INSERT INTO record (kind, id, value, expires_at, consumed_at, written)
       VALUES (:kind, :id, :json, :expires, NULL, :now)
       ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`,
    ),
    deleteExpired: sql(
      'DELETE FROM record WHERE kind = :kind AND id = :id AND expires_at IS NOT NULL AND expires_at <= :now',
    ),
    insert: sql(
      `INSERT INTO record (kind, id, value, expires_at, consumed_at, written)
       VALUES (:kind, :id, :json, :expires, NULL, :now) ON CONFLICT DO NOTHING`,
    ),
    consume: sql(
      `UPDATE record SET consumed_at = :now WHERE kind = :kind AND id = :id AND consumed_at IS NULL AND ${LIVE}`,
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
    bury: sql(
      `INSERT INTO tombstone (kind, name, value, until) VALUES (:kind, :name, :value, :until)
       ON CONFLICT (kind, name, value) DO UPDATE SET until = max(until, excluded.until)`,
    ),
    allocate: sql(
      `INSERT INTO counter (name, next) VALUES (:name, :count)
       ON CONFLICT (name) DO UPDATE SET next = next + :count RETURNING next - :count AS first`,
    ),
    purge: sql(
      `DELETE FROM record WHERE rowid IN
         (SELECT rowid FROM record WHERE expires_at IS NOT NULL AND expires_at <= :now LIMIT ${PURGE_BATCH})`,
    ),
    purgeTombstones: sql(
      `DELETE FROM tombstone WHERE rowid IN (SELECT rowid FROM tombstone WHERE until <= :now LIMIT ${PURGE_BATCH})`,
    ),
  } satisfies Record<string, StatementSync>;
}

type Statements = ReturnType<typeof prepared>;

interface Parts {
  readonly database: DatabaseSync;
  readonly commit: GroupCommit;
  readonly statements: Statements;
  readonly now: () => number;
  readonly stop: () => void;
}

function storeOver({ database, commit, statements, now, stop }: Parts): Store {
  const read = async <T>(operation: string, work: () => T): Promise<T> => {
    try {
      return work();
    } catch (cause) {
      throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
    }
  };
  const rowsByIndex = (kind: string, name: string, value: string) =>
    read('find', () => statements.byIndex.all({ kind, name, value, now: now() }) as unknown as Row[]);

  return {
    find: (kind, id) =>
      read('find', () => {
        const row = statements.find.get({ kind, id, now: now() }) as unknown as Row | undefined;
        return row === undefined ? undefined : recordOf(row);
      }),
    findByIndex: async (kind, name, value) => {
      const row = (await rowsByIndex(kind, name, value)).at(-1);
      return row === undefined ? undefined : recordOf(row);
    },
    listByIndex: async (kind, name, value) => (await rowsByIndex(kind, name, value)).map(recordOf),

    put: (kind, id, record) =>
      commit.write('put', () => {
        assertNotBuried(statements, kind, record, now());
        statements.deleteExpired.run({ kind, id, now: now() });
        statements.put.run({ kind, id, ...columns(record), now: now() });
        reindex(statements, kind, id, record);
      }),
    putIfAbsent: (kind, id, record) =>
      commit.write('putIfAbsent', () => {
        assertNotBuried(statements, kind, record, now());
        statements.deleteExpired.run({ kind, id, now: now() });
        const isNew = statements.insert.run({ kind, id, ...columns(record), now: now() }).changes === 1;
        if (isNew) reindex(statements, kind, id, record);
        return isNew;
      }),
    consume: (kind, id) =>
      commit.write('consume', () => statements.consume.run({ kind, id, now: now() }).changes === 1),
    delete: (kind, id) =>
      commit.write('delete', () => {
        statements.delete.run({ kind, id });
      }),
    deleteByIndex: (kind, name, value, tombstoneUntil) =>
      commit.write('deleteByIndex', () => {
        statements.bury.run({ kind, name, value, until: tombstoneUntil.getTime() });
        statements.deleteByIndex.run({ kind, name, value });
      }),
    allocate: (counter, count) =>
      commit.write('allocate', () => Number(statements.allocate.get({ name: counter, count })?.first)),

    isHealthy: () =>
      commit
        .write('health', () => statements.purgeTombstones.run({ now: 0 }))
        .then(
          () => true,
          () => false,
        ),
    close: async () => {
      stop();
      await commit.drain();
      if (database.isOpen) database.close();
    },
  };
}

function columns(record: RecordToStore): { json: string; expires: number | null } {
  return { json: JSON.stringify(record.value), expires: record.expiresAt?.getTime() ?? null };
}

function recordOf(row: Row): StoredRecord {
  return {
    id: row.id,
    value: JSON.parse(row.value),
    ...(row.consumed_at === null ? {} : { consumedAt: new Date(row.consumed_at) }),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at) }),
  };
}

function assertNotBuried(statements: Statements, kind: string, record: RecordToStore, now: number): void {
  for (const [name, value] of Object.entries(record.indexes ?? {})) {
    if (statements.tombstone.get({ kind, name, value, now }) !== undefined) {
      throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind });
    }
  }
}

function reindex(statements: Statements, kind: string, id: string, record: RecordToStore): void {
  statements.unindex.run({ kind, id });
  for (const [name, value] of Object.entries(record.indexes ?? {})) {
    statements.index.run({ kind, name, value, id });
  }
}

function purgeBatch(statements: Statements, now: number): void {
  statements.purge.run({ now });
  statements.purgeTombstones.run({ now });
}
