import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { describeStore, TestClock } from '../store-contract.ts';
import { secondConnection } from './second-connection.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-sqlite-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => {
  files += 1;
  return join(folder, `store-${files}.sqlite`);
};
const open = (file: string) => openSqliteStore({ file, clock: systemClock, log: silentLog });
const WRITER = fileURLToPath(new URL('./sqlite-child.ts', import.meta.url));
const inAnHour = () => new Date(systemClock.now().getTime() + 3_600_000);

describeStore('SQLite', (clock) => openSqliteStore({ file: newFile(), clock, log: silentLog }));

function child(...words: string[]): { readonly process: ChildProcess; readonly said: Promise<string[]> } {
  const started = fork(WRITER, words, {
    execPath: process.execPath,
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let text = '';
  started.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const said = new Promise<string[]>((resolve) =>
    started.once('close', () => resolve(text.split('\n').filter(Boolean))),
  );
  return { process: started, said };
}

describe('the SQLite store', () => {
  it('is durable and private: WAL, synchronous=FULL, mode 0600', async () => {
    const file = newFile();
    const store = await open(file);
    await store.put('Token', 'a', { value: 'kept' });
    expect(statSync(file).mode & 0o077).toBe(0);
    await store.close();
    const database = secondConnection(file, { readOnly: true });
    expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
    database.close();
    const again = await open(file);
    expect((await again.find('Token', 'a'))?.value).toBe('kept');
    await again.close();
  });

  it('removes expired rows with their indexes, and tombstones, by itself', async () => {
    const file = newFile();
    const clock = new TestClock();
    const store = await openSqliteStore({ file, clock, log: silentLog, purgeSeconds: 0.02 });
    const until = new Date(clock.now().getTime() + 1000);
    for (let at = 0; at < 500; at += 1)
      await store.put('Code', `c${at}`, { value: at, expiresAt: until, indexes: { g: 'x' } });
    await store.put('Code', 'kept', { value: 1 });
    await store.deleteByIndex('Code', 'g', 'other', until);
    await store.setBit('bits', 5000, until);
    clock.forward(2);
    const database = secondConnection(file, { readOnly: true });
    const rows = () =>
      ['record', 'record_index', 'tombstone', 'bitmap'].map(
        (table) => database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n,
      );
    await expect.poll(rows, { timeout: 10_000 }).toEqual([1, 0, 0, 0]);
    database.close();
    await store.close();
  });

  it('is opened by many processes at once, new as it is', async () => {
    for (let round = 0; round < 3; round += 1) {
      const file = newFile();
      const names = Array.from({ length: 6 }, (_, at) => `p${at}`);
      const said = await Promise.all(names.map((name) => child('open', file, name).said));
      expect(said.flat().toSorted()).toEqual(names.map((name) => `opened ${name}`));
    }
  }, 60_000);

  it('removes more than one batch at a time, and rests between, so that writes pass (M14)', async () => {
    const clock = new TestClock();
    const store = await openSqliteStore({ file: newFile(), clock, log: silentLog, purgeSeconds: 0.05 });
    const until = new Date(clock.now().getTime() + 1000);
    for (let batch = 0; batch < 10; batch += 1) {
      await Promise.all(
        Array.from({ length: 1000 }, (_, at) =>
          store.put('Token', `t${batch}-${at}`, { value: 'x'.repeat(500), expiresAt: until }),
        ),
      );
    }
    clock.forward(2);
    const database = secondConnection(join(folder, `store-${files}.sqlite`), { readOnly: true });
    const left = () => database.prepare('SELECT count(*) AS n FROM record').get()?.n;
    await expect.poll(left, { timeout: 10_000, interval: 20 }).not.toBe(10_000);
    // A write that comes while the purge is at work does not wait for its end.
    await store.put('Token', 'meanwhile', { value: 1 });
    expect(left()).toBeGreaterThan(1);
    await expect.poll(left, { timeout: 20_000 }).toBe(1);
    database.close();
    await store.close();
  }, 60_000);

  it('gives the room of a burst back to the disk, and keeps its log short', async () => {
    const file = newFile();
    const clock = new TestClock();
    const store = await openSqliteStore({ file, clock, log: silentLog, purgeSeconds: 0.05 });
    const until = new Date(clock.now().getTime() + 1000);
    const put = (id: string, value: string) => store.put('Token', id, { value, expiresAt: until });
    await store.put('Token', 'kept', { value: 1 });
    for (let batch = 0; batch < 12; batch += 1) {
      await Promise.all(Array.from({ length: 100 }, (_, at) => put(`t${batch}-${at}`, 'x'.repeat(20_000))));
    }
    // 29 MB at a time: a log that were not moved into the file would have all of them twice.
    for (let batch = 0; batch < 12; batch += 1) {
      await Promise.all(Array.from({ length: 100 }, (_, at) => put(`t${batch}-${at}`, 'y'.repeat(20_000))));
    }
    expect(statSync(`${file}-wal`).size).toBeLessThan(48 * 1024 * 1024);
    clock.forward(2);
    // The pages are in the log until the next checkpoint.
    const pages = () => {
      const database = secondConnection(file, { readOnly: true });
      const count = Number(database.prepare('PRAGMA page_count').get()?.page_count);
      database.close();
      return count;
    };
    await expect.poll(pages, { timeout: 20_000, interval: 100 }).toBeLessThan(4600);
    expect((await store.find('Token', 'kept'))?.value).toBe(1);
    await store.close();
    expect(statSync(file).size).toBeLessThan(20 * 1024 * 1024);
  }, 60_000);

  it('finds two texts of one place apart', async () => {
    const file = newFile();
    const store = await open(file);
    await store.put('Token', 'a', { value: 'a', indexes: { grantId: 'g' } });
    await store.put('Token', 'b', { value: 'b', indexes: { grantId: 'h' } });
    const database = secondConnection(file);
    // As if the hashes of all four texts began alike.
    const placeOfA = database.prepare("SELECT place FROM record WHERE id = 'a'").get()?.place ?? 0;
    const placeOfG = database.prepare("SELECT place FROM record_index WHERE value = 'g'").get()?.place ?? 0;
    database.prepare('UPDATE record SET place = ?').run(placeOfA);
    database.prepare('UPDATE record_index SET place = ?').run(placeOfG);
    database.close();
    expect((await store.find('Token', 'a'))?.value).toBe('a');
    expect((await store.listByIndex('Token', 'grantId', 'g')).map(({ id }) => id)).toEqual(['a']);
    await store.deleteByIndex('Token', 'grantId', 'g', inAnHour());
    expect(await store.find('Token', 'a')).toBeUndefined();
    const left = secondConnection(file, { readOnly: true });
    expect(left.prepare('SELECT id FROM record').all()).toEqual([{ id: 'b' }]);
    left.close();
    await store.close();
  });

  it('is closed by a signal that comes while expired rows are removed', async () => {
    const file = newFile();
    const stopped = child('stop in purge', file);
    expect(await stopped.said).toEqual(['closed']);
    expect(stopped.process.exitCode).toBe(0);
    // SQLite removes the log of a database whose last connection was closed.
    expect(existsSync(`${file}-wal`)).toBe(false);
  }, 30_000);

  it('has one winner among two processes on one file (J1, J8, M12)', async () => {
    const file = newFile();
    const store = await open(file);
    for (let at = 0; at < 200; at += 1)
      await store.put('Code', `c${at}`, { value: at, expiresAt: inAnHour() });
    const racers = ['one', 'two'].map((name) => child('race', file, name));
    const said = (await Promise.all(racers.map((racer) => racer.said))).flat();
    const consumed = said.filter((line) => line.startsWith('consumed'));
    const put = said.filter((line) => line.startsWith('put'));
    expect(consumed.toSorted()).toEqual(Array.from({ length: 200 }, (_, at) => `consumed c${at}`).toSorted());
    expect(put.toSorted()).toEqual(Array.from({ length: 200 }, (_, at) => `put j${at}`).toSorted());
    await store.close();
  }, 60_000);

  it('keeps every acknowledged write when its process is killed at any moment (M10)', async () => {
    const file = newFile();
    const acknowledged: string[] = [];
    for (let kill = 0; kill < 8; kill += 1) {
      const writer = child('write', file, `k${kill}`);
      await new Promise((resolve) => writer.process.stdout?.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 5 + kill * 7));
      writer.process.kill('SIGKILL');
      acknowledged.push(
        ...(await writer.said).filter((line) => line.endsWith('.')).map((line) => line.slice(0, -1)),
      );
    }
    const store = await open(file);
    const found = await Promise.all(acknowledged.map((id) => store.find('Token', id)));
    expect(acknowledged.length).toBeGreaterThan(50);
    expect(found.filter((record) => record === undefined)).toEqual([]);
    await store.close();
  }, 60_000);
});
