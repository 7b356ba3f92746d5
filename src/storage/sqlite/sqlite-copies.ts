import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OpenBankingError } from '../../errors.ts';
import { isBusy, isDamaged } from './sqlite-connection.ts';
import { assertKnownSchema, schemaOf } from './sqlite-schema.ts';

/** The facts of a whole file of the store. */
export interface StoreFile {
  readonly schema: number;
  readonly bytes: number;
  /** Live and expired records. */
  readonly records: number;
  /** When the newest record was written first; absent in an empty store. */
  readonly newestAt?: Date;
}

/** Longest wait for a process that recovers the file after a crash. */
const WAIT_MILLISECONDS = 5000;
/** Problems of a damaged file that are reported. */
const MAX_PROBLEMS = 3;

/**
 * Reads every page of a file of the store, and changes none.
 *
 * @throws ERR_STORAGE_UNAVAILABLE for a file that is damaged, of a newer version, or no store
 */
export function checkStoreFile(file: string): StoreFile {
  return withDatabase(file, 'check', (database) => {
    const schema = schemaOf(database);
    if (schema === 0) throw failure('check: the file is no store of this program');
    const found = database.prepare(`PRAGMA integrity_check(${MAX_PROBLEMS})`).all();
    const problems = found.map((row) => String(row.integrity_check)).filter((text) => text !== 'ok');
    const [dangling] = database.prepare('PRAGMA foreign_key_check').all();
    if (dangling !== undefined) problems.push(`an index of ${dangling.parent} leads to no record`);
    if (problems.length > 0) throw failure(`check: the file is damaged: ${problems.join('; ')}`);
    const row = database.prepare('SELECT count(*) AS records, max(written) AS newest FROM record').get();
    return {
      schema,
      bytes: statSync(file).size,
      records: Number(row?.records),
      ...(row?.newest == null ? {} : { newestAt: new Date(Number(row.newest)) }),
    };
  });
}

/**
 * Values of the newest records of a kind, with their ids.
 *
 * @throws ERR_STORAGE_UNAVAILABLE
 */
export function newestRecords(
  file: string,
  { kind, limit }: { readonly kind: string; readonly limit: number },
): readonly { readonly id: string; readonly value: unknown }[] {
  return withDatabase(file, 'check', (database) =>
    database
      .prepare('SELECT id, value FROM record WHERE kind = :kind ORDER BY written DESC LIMIT :limit')
      .all({ kind, limit })
      .map(({ id, value }) => ({ id: String(id), value: JSON.parse(String(value)) as unknown })),
  );
}

/**
 * Copies a store, which may be in use, as it is at one moment; writers go on. The copy is mode 0600, checked, and on
 * the disk when the function returns.
 *
 * @throws ERR_STORAGE_UNAVAILABLE
 */
export function copyStore(file: string, target: string): StoreFile {
  const aside = `${target}.${randomUUID()}.new`;
  try {
    const copy = copyAside(file, aside);
    // Unlike rename, link never replaces a file.
    linkSync(aside, target);
    syncPath(dirname(target));
    return copy;
  } finally {
    rmSync(aside, { force: true });
  }
}

/** The outcome of a restore. */
export interface RestoredStore {
  readonly store: StoreFile;
  /** The name under which the store that was replaced is kept; absent where there was none. */
  readonly replaced?: string;
}

/**
 * Puts a copy in the place of a store. A log that belongs to the replaced file goes with it: left behind, it would be
 * written into the copy.
 *
 * @param keptAs the name for the store that is replaced
 * @throws ERR_STORAGE_UNAVAILABLE while a process has the store open, and for a copy that is not whole
 */
export function restoreStore(file: string, copy: string, keptAs: string): RestoredStore {
  const aside = `${file}.${randomUUID()}.new`;
  try {
    const store = copyAside(copy, aside);
    const isReplaced = existsSync(file);
    if (isReplaced) keepAs(file, keptAs);
    for (const name of [`${file}-wal`, `${file}-shm`]) rmSync(name, { force: true });
    renameSync(aside, file);
    syncPath(dirname(file));
    return { store, ...(isReplaced ? { replaced: keptAs } : {}) };
  } finally {
    rmSync(aside, { force: true });
  }
}

function keepAs(file: string, keptAs: string): void {
  const keptLog = `${keptAs}-wal`;
  if (existsSync(`${file}-wal`)) linkSync(`${file}-wal`, keptLog);
  let isNeeded = false;
  try {
    isNeeded = !endLog(file);
  } finally {
    if (!isNeeded) rmSync(keptLog, { force: true });
  }
  linkSync(file, keptAs);
}

/** Writes the log of a store into its file, which only the last process of a store may do; false for a damaged store. */
function endLog(file: string): boolean {
  const inUse = () => failure('restore: a process has the store open; stop every server first');
  try {
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      const mode = database.prepare('PRAGMA journal_mode = DELETE').get()?.journal_mode;
      if (mode !== 'delete') throw inUse();
      return true;
    } finally {
      database.close();
    }
  } catch (error) {
    if (isBusy(error)) throw inUse();
    // A damaged store is a reason to restore.
    if (isDamaged(error)) return false;
    throw error;
  }
}

function copyAside(file: string, aside: string): StoreFile {
  checkStoreFile(file);
  closeSync(openSync(aside, 'wx', 0o600));
  withDatabase(file, 'copy', (database) => database.prepare('VACUUM INTO ?').run(aside));
  // SQLite leaves the sync of such a file to its caller.
  syncPath(aside);
  return checkStoreFile(aside);
}

function withDatabase<T>(file: string, work: string, use: (database: DatabaseSync) => T): T {
  try {
    const database = new DatabaseSync(file, { readOnly: true, timeout: WAIT_MILLISECONDS });
    try {
      assertKnownSchema(database);
      return use(database);
    } finally {
      database.close();
    }
  } catch (error) {
    if (error instanceof OpenBankingError || !(error instanceof Error)) throw error;
    throw failure(`${work}: ${file}`, error);
  }
}

function failure(operation: string, cause?: unknown): OpenBankingError<'ERR_STORAGE_UNAVAILABLE'> {
  return new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
}

function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
