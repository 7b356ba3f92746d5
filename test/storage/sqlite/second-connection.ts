import { DatabaseSync, type DatabaseSyncOptions } from 'node:sqlite';

/** Longest wait for the lock of another connection, in milliseconds. Without it SQLite refuses at once. */
const LOCK_MILLISECONDS = 10_000;

/**
 * Opens the file of a store that a server may be writing to in the same moment: its writes in the background hold the lock
 * for a few milliseconds.
 */
export function secondConnection(file: string, options: DatabaseSyncOptions = {}): DatabaseSync {
  return new DatabaseSync(file, { timeout: LOCK_MILLISECONDS, ...options });
}
