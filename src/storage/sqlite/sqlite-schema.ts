import type { DatabaseSync } from 'node:sqlite';
import { OpenBankingError } from '../../errors.ts';

/** Each entry brings the schema from its position to the next. Only ever appended to. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE record (
     kind TEXT NOT NULL,
     id TEXT NOT NULL,
     value TEXT NOT NULL,
     expires_at INTEGER,
     consumed_at INTEGER,
     written INTEGER NOT NULL,
     PRIMARY KEY (kind, id)
   ) STRICT;
   CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
   CREATE TABLE record_index (
     kind TEXT NOT NULL,
     name TEXT NOT NULL,
     value TEXT NOT NULL,
     id TEXT NOT NULL,
     PRIMARY KEY (kind, name, value, id),
     FOREIGN KEY (kind, id) REFERENCES record (kind, id) ON DELETE CASCADE
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX record_index_of ON record_index (kind, id);
   CREATE TABLE tombstone (
     kind TEXT NOT NULL,
     name TEXT NOT NULL,
     value TEXT NOT NULL,
     until INTEGER NOT NULL,
     PRIMARY KEY (kind, name, value)
   ) STRICT;
   CREATE INDEX tombstone_until ON tombstone (until);
   CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, next INTEGER NOT NULL) STRICT;`,
];

/**
 * Proves that this program knows the file's schema, before anything is written to it.
 *
 * @throws ERR_STORAGE_UNAVAILABLE for a file that a newer version has written
 */
export function assertKnownSchema(database: DatabaseSync): void {
  const version = versionOf(database);
  if (version > MIGRATIONS.length) {
    const operation = `open: the file has schema ${version}, this program knows ${MIGRATIONS.length}`;
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation });
  }
}

/** Brings the file to this program's schema, in one transaction that other processes wait for. */
export function migrate(database: DatabaseSync, steps: readonly string[] = MIGRATIONS): void {
  if (versionOf(database) === steps.length) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    // Asked again: another process may have been faster.
    for (const step of steps.slice(versionOf(database))) database.exec(step);
    database.exec(`PRAGMA user_version = ${steps.length}`);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}
