import type { DatabaseSync } from 'node:sqlite';
import { OpenBankingError } from '../../errors.ts';

/** Each entry migrates the schema from its position to the next. Entries are only appended. */
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
  `CREATE TABLE bitmap (
     name TEXT NOT NULL,
     part INTEGER NOT NULL,
     bits BLOB NOT NULL,
     expires_at INTEGER NOT NULL,
     PRIMARY KEY (name, part)
   ) STRICT, WITHOUT ROWID;`,
];

/**
 * Checks, before any write, that this program knows the schema of the file.
 *
 * @throws ERR_STORAGE_UNAVAILABLE for a file that a newer version has written
 */
export function assertKnownSchema(database: DatabaseSync): void {
  const version = schemaOf(database);
  if (version > MIGRATIONS.length) {
    const operation = `open: the file has schema ${version}, this program knows ${MIGRATIONS.length}`;
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation });
  }
}

/** Migrates the file to the schema of this program, in one transaction that other processes wait for. */
export function migrate(database: DatabaseSync, steps: readonly string[] = MIGRATIONS): void {
  if (schemaOf(database) === steps.length) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    // Read again under the lock: another process may have migrated the file.
    for (const step of steps.slice(schemaOf(database))) database.exec(step);
    database.exec(`PRAGMA user_version = ${steps.length}`);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}

/** The schema of a file; 0 for one that no program has written yet. */
export function schemaOf(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.user_version);
}
