import type { DatabaseSync } from 'node:sqlite';
import { isRefusal, OpenBankingError } from '../errors.ts';

/** Runs writes so that those of one turn of the event loop share a transaction, and with it one fsync. */
export interface GroupCommit {
  /**
   * Resolves when the write is durable. A write that throws a refusal is undone alone; its neighbours commit.
   *
   * @throws ERR_STORAGE_UNAVAILABLE, and the refusal that `work` threw
   */
  write<T>(operation: string, work: () => T): Promise<T>;
  /** Resolves when nothing is waiting. */
  drain(): Promise<void>;
}

interface Waiting {
  readonly operation: string;
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Writes of one transaction: bounds how long the event loop stands still. */
const MAX_GROUP = 128;

export function createGroupCommit(database: DatabaseSync): GroupCommit {
  let waiting: Waiting[] = [];
  let isScheduled = false;

  const flush = () => {
    isScheduled = false;
    const group = waiting.slice(0, MAX_GROUP);
    waiting = waiting.slice(MAX_GROUP);
    if (waiting.length > 0) schedule();
    commitGroup(database, group);
  };
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(flush);
  };

  return {
    write: <T>(operation: string, work: () => T) =>
      new Promise<T>((resolve, reject) => {
        waiting.push({ operation, work, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      }),
    drain: async () => {
      while (waiting.length > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function commitGroup(database: DatabaseSync, group: readonly Waiting[]): void {
  const settled: (() => void)[] = [];
  try {
    database.exec('BEGIN IMMEDIATE');
    for (const one of group) settled.push(attempt(database, one));
    database.exec('COMMIT');
  } catch (cause) {
    rollBack(database);
    for (const { operation, reject } of group) {
      reject(new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause }));
    }
    return;
  }
  for (const settle of settled) settle();
}

/** Does one write in a savepoint. A fault of the store itself ends the whole group. */
function attempt(database: DatabaseSync, { work, resolve, reject }: Waiting): () => void {
  database.exec('SAVEPOINT one');
  try {
    const value = work();
    database.exec('RELEASE one');
    return () => resolve(value);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    database.exec('ROLLBACK TO one; RELEASE one');
    return () => reject(error);
  }
}

function rollBack(database: DatabaseSync): void {
  if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
}
