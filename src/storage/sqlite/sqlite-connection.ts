import { closeSync, existsSync, fsyncSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { OpenBankingError } from '../../errors.ts';
import { assertKnownSchema, migrate, schemaOf } from './sqlite-schema.ts';

export interface ConnectionOptions {
  readonly file: string;
  /** Caps the file, in pages of 4 kB; a write beyond it is refused as on a full disk. */
  readonly maxPages?: number;
  /** Whether the whole file is checked when it is opened, if it is small enough for that. */
  readonly isChecked?: boolean;
}

/** One connection to the file, opened again after a fault. `T` holds the prepared statements. */
export interface Connection<T> {
  /** Runs `work` on the open connection. Throws the error of SQLite, or ERR_STORAGE_UNAVAILABLE for the file. */
  use<R>(work: (prepared: T, database: DatabaseSync) => R): R;
  close(): void;
}

/** Result codes of SQLite (sqlite.org/rescode.html); the low byte is the primary code. */
const PRIMARY_CODE = 0xff;
const BUSY = 5;
const LOCKED = 6;
const INPUT_OUTPUT = 10;
const FULL = 13;
/** CORRUPT, NOTADB. */
const DAMAGED: readonly number[] = [11, 26];
/** READONLY, IOERR, CORRUPT, CANTOPEN, NOTADB: the state of this connection may no longer match the file. */
const BROKEN: readonly number[] = [8, 10, 14, ...DAMAGED];
/**
 * Files up to this size are checked as a whole when they are opened. 64 MB take 60 ms of CPU (0.1 to 0.3 s on a busy machine) while
 * the kernel has the file in memory, and 1.5 to 2 s (0.5 s of CPU) when it has to be read from the disk.
 */
const MAX_CHECKED_BYTES = 64 * 1024 * 1024;
/** Size to which the write-ahead log is truncated after a burst. */
const MAX_KEPT_LOG_BYTES = 64 * 1024 * 1024;
/**
 * Pages of the log, 4 kB each, before the connection that writes moves them to the file itself. `LogCheckpoints` moves
 * them earlier, in another thread.
 */
const LOG_PAGES = 6000;
/** Of each connection. Pages that are not in it are read from the memory of the kernel. */
const CACHE_KILOBYTES = 8000;
/** Pause after a failed attempt to open the file. */
const COOL_DOWN_MILLISECONDS = 100;

/**
 * Connects to an existing file. The next use opens the file anew after a fault that makes the connection doubtful, and
 * when another file has replaced it (a restored backup). A file that is gone is never created again.
 */
export function createConnection<T>(
  options: ConnectionOptions,
  prepare: (database: DatabaseSync) => T,
): Connection<T> {
  let open: { readonly database: DatabaseSync; readonly prepared: T; readonly identity: string } | undefined;
  let failure: { readonly error: unknown; readonly at: number } | undefined;

  const drop = () => {
    const { database } = open ?? {};
    open = undefined;
    if (database?.isOpen === true) database.close();
  };
  const opened = () => {
    if (failure !== undefined && performance.now() - failure.at < COOL_DOWN_MILLISECONDS) throw failure.error;
    try {
      const identity = identityOf(options.file);
      const database = openDatabase(options);
      open = { database, prepared: prepare(database), identity };
      failure = undefined;
      return open;
    } catch (error) {
      if (!isBusy(error)) failure = { error, at: performance.now() };
      throw error;
    }
  };

  return {
    use: (work) => {
      if (open !== undefined && !isSameFile(options.file, open.identity)) drop();
      const { database, prepared } = open ?? opened();
      try {
        return work(prepared, database);
      } catch (error) {
        if (isBroken(error)) drop();
        throw error;
      }
    },
    close: drop,
  };
}

/** Creates the file when absent, readable by its owner only. */
export function makeFile(file: string): void {
  if (existsSync(file)) return;
  closeSync(openSync(file, 'a', 0o600));
  const folder = openSync(dirname(file), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** True when another connection holds the file, so that a retry helps. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** True when the content of the file is no database, or a broken one. */
export function isDamaged(error: unknown): boolean {
  return DAMAGED.includes(primaryCode(error) ?? 0);
}

/** True when the disk, a quota or the cap on the file has no more room. */
export function isFull(error: unknown): boolean {
  const code = primaryCode(error);
  return code === FULL || code === INPUT_OUTPUT;
}

function openDatabase({ file, maxPages, isChecked }: ConnectionOptions): DatabaseSync {
  // The caller retries: the busy timeout of SQLite would block the thread, and does not cover the journal mode.
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    assertKnownSchema(database);
    if (isChecked === true) assertWhole(database, file);
    // Before the first page of a new file is written: `shrink` can then give pages back.
    if (schemaOf(database) === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL');
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;');
    database.exec(
      `PRAGMA journal_size_limit = ${MAX_KEPT_LOG_BYTES}; PRAGMA wal_autocheckpoint = ${LOG_PAGES};
       PRAGMA cache_size = -${CACHE_KILOBYTES}`,
    );
    if (maxPages !== undefined) database.exec(`PRAGMA max_page_count = ${Math.trunc(maxPages)}`);
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function assertWhole(database: DatabaseSync, file: string): void {
  if (statSync(file).size > MAX_CHECKED_BYTES) return;
  const answer = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (answer === 'ok') return;
  const cause = new Error(String(answer));
  throw new OpenBankingError(
    'ERR_STORAGE_UNAVAILABLE',
    { operation: 'open: the file is damaged' },
    { cause },
  );
}

function isBroken(error: unknown): boolean {
  return BROKEN.includes(primaryCode(error) ?? 0);
}

function primaryCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error ? Number(error.errcode) & PRIMARY_CODE : undefined;
}

function isSameFile(file: string, identity: string): boolean {
  const now = statSync(file, { throwIfNoEntry: false });
  return now !== undefined && `${now.dev} ${now.ino}` === identity;
}

function identityOf(file: string): string {
  const { dev, ino } = statSync(file);
  return `${dev} ${ino}`;
}
