import { hash } from 'node:crypto';
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
  `CREATE TABLE placed (
     key INTEGER PRIMARY KEY,
     place INTEGER NOT NULL,
     kind TEXT NOT NULL,
     id TEXT NOT NULL,
     value TEXT NOT NULL,
     expires_at INTEGER,
     consumed_at INTEGER,
     written INTEGER NOT NULL
   ) STRICT;
   INSERT INTO placed
     SELECT rowid, place_of(kind, id), kind, id, value, expires_at, consumed_at, written FROM record;
   CREATE TABLE placed_index (
     key INTEGER NOT NULL REFERENCES placed (key) ON DELETE CASCADE,
     name TEXT NOT NULL,
     value TEXT NOT NULL,
     place INTEGER NOT NULL,
     PRIMARY KEY (key, name)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO placed_index
     SELECT r.rowid, i.name, i.value, place_of(i.kind, i.name, i.value)
     FROM record_index i JOIN record r ON r.kind = i.kind AND r.id = i.id ORDER BY r.rowid;
   DROP TABLE record_index;
   DROP TABLE record;
   ALTER TABLE placed RENAME TO record;
   ALTER TABLE placed_index RENAME TO record_index;
   CREATE INDEX record_place ON record (place);
   CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
   CREATE INDEX record_index_place ON record_index (place);`,
];

/** Of the hash: 48 bits, which a number holds. */
const PLACE_DIGITS = 12;

/**
 * The number under which the indexes of the file have a text. Random texts of 43 letters make an index five times as large, and
 * each write and removal of a record changes one page of it. Two texts may have one place: a statement compares the texts too.
 */
export function placeOf(...texts: readonly string[]): number {
  return Number.parseInt(hash('sha256', texts.join('\0'), 'hex').slice(0, PLACE_DIGITS), 16);
}

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
  database.function('place_of', { deterministic: true, varargs: true }, (...texts) =>
    placeOf(...texts.map(String)),
  );
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
