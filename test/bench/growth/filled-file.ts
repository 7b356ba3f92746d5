import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { systemClock } from '../../../src/clock.ts';
import { placeOf } from '../../../src/storage/sqlite/sqlite-schema.ts';
import type { RecordToStore, Store } from '../../../src/storage/store.ts';

/** Of an index value among those that are made anew after the fill. */
interface IndexRow {
  readonly name: string;
  readonly sql: string;
}

/**
 * A file of the SQLite store, filled by statements of its schema: no sync, no log, indexes made afterwards. A million records
 * take a minute in place of ten. No server has the file open.
 */
export class FilledFile {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #index: StatementSync;
  /** Those that were dropped. */
  readonly #indexes: readonly IndexRow[];

  private constructor(database: DatabaseSync, isFilled: boolean) {
    this.#database = database;
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000');
    database.exec('PRAGMA foreign_keys = OFF; BEGIN');
    const listed = `SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name IN ('record', 'record_index') AND sql IS NOT NULL`;
    this.#indexes = isFilled ? (database.prepare(listed).all() as unknown as IndexRow[]) : [];
    for (const { name } of this.#indexes) database.exec(`DROP INDEX ${name}`);
    this.#insert = database.prepare(
      `INSERT INTO record (place, kind, id, value, expires_at, consumed_at, written) VALUES (?, ?, ?, ?, ?, NULL, ?)`,
    );
    this.#index = database.prepare('INSERT INTO record_index (key, name, value, place) VALUES (?, ?, ?, ?)');
  }

  /** With `isFilled`, `add` is called many times: indexes are made at the end. */
  static open(file: string, { isFilled = false } = {}): FilledFile {
    return new FilledFile(new DatabaseSync(file), isFilled);
  }

  add(kind: string, id: string, { value, expiresAt, indexes = {} }: RecordToStore): void {
    const end = expiresAt?.getTime() ?? null;
    const written = systemClock.now().getTime();
    const place = placeOf(kind, id);
    const { lastInsertRowid: key } = this.#insert.run(place, kind, id, JSON.stringify(value), end, written);
    for (const [name, text] of Object.entries(indexes))
      this.#index.run(key, name, text, placeOf(kind, name, text));
  }

  /** A store for the program's own records, which go into the file. */
  asStore(): Store {
    const put = async (kind: string, id: string, record: RecordToStore) => this.add(kind, id, record);
    const made = { put, putIfAbsent: (...of: Parameters<typeof put>) => put(...of).then(() => true) };
    return made as Partial<Store> as Store;
  }

  /** The bits of a part of a bitmap. */
  setBits(
    bitmap: string,
    { part, bits, expiresAt }: { readonly part: number; readonly bits: Buffer; readonly expiresAt: Date },
  ): void {
    this.#database
      .prepare('INSERT INTO bitmap (name, part, bits, expires_at) VALUES (?, ?, ?, ?)')
      .run(bitmap, part, bits, expiresAt.getTime());
  }

  setCounter(name: string, next: number): void {
    const set = `INSERT INTO counter (name, next) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET next = excluded.next`;
    this.#database.prepare(set).run(name, next);
  }

  /** The value of any record of a kind. */
  anyOf(kind: string): unknown {
    const row = this.#database.prepare('SELECT value FROM record WHERE kind = ? LIMIT 1').get(kind);
    return JSON.parse(String(row?.value));
  }

  /** The highest number of a record. */
  get last(): number {
    return Number(this.#database.prepare('SELECT max(key) AS last FROM record').get()?.last ?? 0);
  }

  /** Spreads the records up to a number over the whole file, as if they had been written at any time. */
  spread(first: number): void {
    const step = first === 0 ? 0 : Math.floor((this.last - first) / first);
    if (step === 0) return;
    const isSwapped = `key > ${first} AND key <= ${first * (step + 1)} AND (key - ${first}) % ${step} = 0`;
    for (const table of ['record', 'record_index']) {
      this.#database.exec(`
        UPDATE ${table} SET key = -key WHERE ${isSwapped};
        UPDATE ${table} SET key = ${first} + key * ${step} WHERE key BETWEEN 1 AND ${first};
        UPDATE ${table} SET key = (-key - ${first}) / ${step} WHERE key < 0;`);
    }
  }

  /** Makes the indexes, and closes. */
  close(): void {
    for (const { sql } of this.#indexes) this.#database.exec(sql);
    this.#database.exec('COMMIT');
    this.#database.close();
  }
}
