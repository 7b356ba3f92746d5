import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';

/*
 * The embedded store as it grows: inserts of 16 writers into a file of 10,000 to 1,000,000 live records; then all of
 * them expire, and are removed beside the same writers, and without them; then the size of a file over cycles of
 * inserts and removals. Every other record has an index, as the token of a grant has.
 * Words after the name: the numbers of records, with commas.
 */
const [, , , counts = '10000,100000,1000000'] = process.argv;
const WRITERS = 16;
const SECONDS = 8;
const FILL_AT_ONCE = 2000;
const CYCLES = 6;
const CYCLE_RECORDS = 40_000;
const LIFE_SECONDS = 3600;
/** The size of an encrypted token. */
const VALUE = randomBytes(600).toString('base64url');
const folder = mkdtempSync(join(tmpdir(), 'tallystick-bench-sqlite-'));

/** A store whose time is moved by hand, and the number of records in its file. */
class Growing {
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

  static async open(name: string): Promise<Growing> {
    const clock = { at: Date.now() };
    const file = join(folder, `${name}.sqlite`);
    const store = await openSqliteStore({
      ...{ file, clock: { now: () => new Date(clock.at) }, log: silentLog, purgeSeconds: 0.5 },
    });
    return new Growing(file, store, clock);
  }

  put(): Promise<boolean> {
    const id = randomBytes(32).toString('base64url');
    const indexes = id < 'V' ? { grantId: randomBytes(32).toString('base64url') } : {};
    const expiresAt = new Date(this.#clock.at + LIFE_SECONDS * 1000);
    return this.store.putIfAbsent('AccessToken', id, { value: VALUE, expiresAt, indexes });
  }

  async fill(count: number): Promise<void> {
    for (let at = 0; at < count; at += FILL_AT_ONCE) {
      await Promise.all(Array.from({ length: Math.min(FILL_AT_ONCE, count - at) }, () => this.put()));
    }
  }

  expireAll(): void {
    this.#clock.at += (LIFE_SECONDS + 1) * 1000;
  }

  expired(): number {
    const sql = 'SELECT count(*) AS count FROM record WHERE expires_at <= ?';
    return Number(this.#counter.prepare(sql).get(this.#clock.at)?.count);
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

interface Inserts {
  readonly perSecond: number;
  readonly text: string;
}

async function insertFor(seconds: number, growing: Growing): Promise<Inserts> {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const writer = async () => {
    for (let at = performance.now(); at < until; ) {
      await growing.put();
      const now = performance.now();
      times.push(now - at);
      at = now;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = times.length / ((performance.now() - startedAt) / 1000);
  times.sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(1);
  const each = ((user + system) / times.length).toFixed(0);
  const delays = `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
  return { perSecond, text: `${perSecond.toFixed(0)} inserts/s, ${delays}, ${each} us of CPU each` };
}

/** Records removed each second, until so few are left or `during` has ended. */
async function removalRate(growing: Growing, fewest: number, during?: Promise<unknown>): Promise<number> {
  let isOver = false;
  void during?.then(() => {
    isOver = true;
  });
  const before = growing.expired();
  const startedAt = performance.now();
  let left = before;
  let seconds = 0;
  while (!isOver && left > fewest && seconds < SECONDS) {
    await sleep(100);
    left = growing.expired();
    seconds = (performance.now() - startedAt) / 1000;
  }
  return (before - left) / seconds;
}

for (const count of counts.split(',').map(Number)) {
  const growing = await Growing.open(`rows-${count}`);
  const startedAt = performance.now();
  await growing.fill(count);
  const filled = count / ((performance.now() - startedAt) / 1000);
  const inserts = await insertFor(SECONDS, growing);
  console.log(`${count} records (filled at ${filled.toFixed(0)}/s): ${inserts.text}`);
  growing.expireAll();
  const alone = await removalRate(growing, count / 2);
  const inserting = insertFor(SECONDS, growing);
  const beside = await removalRate(growing, count / 20, inserting);
  const { text, perSecond } = await inserting;
  const ratioOf = (removed: number, inserted: number) =>
    `${removed.toFixed(0)} removed/s, ${(removed / inserted).toFixed(2)} x`;
  console.log(`  expired, without inserts: ${ratioOf(alone, inserts.perSecond)} the inserts before`);
  console.log(`  beside inserts: ${ratioOf(beside, perSecond)} these: ${text}`);
  console.log(`  file and log, MB: ${growing.megabytes().map(Math.round).join(' and ')}`);
  await growing.close();
}

const cycled = await Growing.open('cycles');
const sizes: string[] = [];
for (let cycle = 0; cycle < CYCLES; cycle += 1) {
  await cycled.fill(CYCLE_RECORDS);
  const [full] = cycled.megabytes();
  cycled.expireAll();
  while (cycled.expired() > 0) await sleep(100);
  await sleep(1000);
  const [empty, log] = cycled.megabytes();
  sizes.push(`${full.toFixed(0)} → ${empty.toFixed(0)} (log ${log.toFixed(0)})`);
}
console.log(`file after ${CYCLE_RECORDS} inserts, and after their removal, MB: ${sizes.join(', ')}`);
await cycled.close();
rmSync(folder, { recursive: true });
