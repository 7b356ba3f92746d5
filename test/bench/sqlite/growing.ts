import { randomBytes } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { silentLog } from '../../../src/events.ts';
import { preparedOperations } from '../../../src/storage/sqlite/sqlite-operations.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';

const LIFE_SECONDS = 3600;
const FILLED_AT_ONCE = 20_000;
/** The size of an encrypted token. */
const VALUE = randomBytes(600).toString('base64url');

/** A store whose time is moved by hand, and the number of records in its file. */
export class Growing {
  readonly file: string;
  readonly store: Store;
  readonly #clock: { at: number };
  readonly #counter: DatabaseSync;

  private constructor(file: string, store: Store, clock: { at: number }) {
    this.file = file;
    this.store = store;
    this.#clock = clock;
    this.#counter = new DatabaseSync(file, { readOnly: true });
  }

  /** With so many live records, which are written in long transactions without a sync. */
  static async open(file: string, records: number): Promise<Growing> {
    const clock = { at: Date.now() };
    const open = () =>
      openSqliteStore({
        ...{ file, clock: { now: () => new Date(clock.at) }, log: silentLog, purgeSeconds: 0.5 },
      });
    if (records > 0) {
      await (await open()).close();
      fill(file, records, clock.at);
    }
    return new Growing(file, await open(), clock);
  }

  put(): Promise<boolean> {
    const { id, expires, indexes } = newRecord(this.#clock.at);
    const record = { value: VALUE, expiresAt: new Date(expires), indexes };
    return this.store.putIfAbsent('AccessToken', id, record);
  }

  expireAll(): void {
    this.#clock.at += (LIFE_SECONDS + 1) * 1000;
  }

  /** Records of the file, live and expired. Records expire and are removed in the order of their numbers. */
  records(): { readonly first: number; readonly last: number } {
    // Each from the end of the tree. A scan, or a count, would keep the log from its start.
    const sql = 'SELECT (SELECT min(key) FROM record) AS first, (SELECT max(key) FROM record) AS last';
    const row = this.#counter.prepare(sql).get();
    return { first: Number(row?.first ?? 0), last: Number(row?.last ?? 0) };
  }

  megabytes(): readonly [file: number, log: number] {
    const sizeOf = (file: string) => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) / 1e6;
    return [sizeOf(this.file), sizeOf(`${this.file}-wal`)];
  }

  async close(): Promise<void> {
    this.#counter.close();
    await this.store.close();
    for (const end of ['', '-wal', '-shm', '-reserve']) rmSync(`${this.file}${end}`, { force: true });
  }
}

/** Every other record has an index, as the token of a grant has. */
function newRecord(now: number) {
  const id = randomBytes(32).toString('base64url');
  const indexes = id < 'V' ? { grantId: randomBytes(32).toString('base64url') } : {};
  return { id, indexes, expires: now + LIFE_SECONDS * 1000 };
}

function fill(file: string, records: number, now: number): void {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = ON');
  const perform = preparedOperations(database);
  for (let at = 0; at < records; at += FILLED_AT_ONCE) {
    database.exec('BEGIN');
    for (let one = at; one < Math.min(records, at + FILLED_AT_ONCE); one += 1) {
      const { id, indexes, expires } = newRecord(now);
      const written = { json: JSON.stringify(VALUE), indexes: Object.entries(indexes), expires, now };
      perform({ do: 'putIfAbsent', kind: 'AccessToken', id, ...written });
    }
    database.exec('COMMIT');
  }
  database.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = FULL');
  database.close();
}
