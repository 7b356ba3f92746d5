import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { checkStoreFile, copyStore, restoreStore } from '../../../src/storage/sqlite/sqlite-copies.ts';
import { MIGRATIONS } from '../../../src/storage/sqlite/sqlite-schema.ts';
import { secondConnection } from './second-connection.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tallystick-copies-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const open = (file: string) => openSqliteStore({ file, clock: systemClock, log: silentLog });

function problemOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (isRefusal(error, 'ERR_STORAGE_UNAVAILABLE')) return `${error.details.operation} ${error.cause ?? ''}`;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('a copy of the SQLite store', () => {
  it('is the store at one moment, private and whole, while writers go on', async () => {
    const store = await open(at('store.sqlite'));
    const indexes = { grantId: 'g' };
    for (let id = 0; id < 300; id += 1) await store.put('Token', `t${id}`, { value: id, indexes });
    const writing = Promise.all(
      Array.from({ length: 200 }, (_, id) => store.put('Token', `later${id}`, { value: id })),
    );
    const copy = copyStore(at('store.sqlite'), at('copy'));
    await writing;
    expect(copy).toMatchObject({ schema: MIGRATIONS.length, newestAt: expect.any(Date) });
    expect(copy.records).toBeGreaterThanOrEqual(300);
    expect(statSync(at('copy')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
    await store.close();
    const restored = await open(at('copy'));
    expect(await restored.count('Token', 'grantId', 'g', 1000)).toBe(300);
    await restored.close();
  });

  it('replaces no file, and is none of a store that is not there', async () => {
    await (await open(at('store.sqlite'))).close();
    writeFileSync(at('taken'), 'other');
    expect(() => copyStore(at('store.sqlite'), at('taken'))).toThrow('EEXIST');
    expect(problemOf(() => copyStore(at('none'), at('copy')))).toContain('check: ');
    expect(readdirSync(folder).filter((name) => /copy|new/.test(name))).toEqual([]);
  });

  it.each([
    ['no database', (file: string) => writeFileSync(file, 'hello '.repeat(1000)), 'not a database'],
    ['an empty file', (file: string) => writeFileSync(file, ''), 'no store of this program'],
    [
      'of a newer version',
      (file: string) => change(file, 'PRAGMA user_version = 99'),
      `the file has schema 99, this program knows ${MIGRATIONS.length}`,
    ],
    [
      'without a record that an index names',
      (file: string) => change(file, "PRAGMA foreign_keys = OFF; DELETE FROM record WHERE id = 't1'"),
      'an index of record leads to no record',
    ],
  ])('is refused when it is %s, and the store stays as it is', async (_what, damage, problem) => {
    const store = await open(at('store.sqlite'));
    await store.put('Token', 't1', { value: 1, indexes: { grantId: 'g' } });
    copyStore(at('store.sqlite'), at('copy'));
    await store.close();
    damage(at('copy'));
    expect(problemOf(() => checkStoreFile(at('copy')))).toContain(problem);
    expect(problemOf(() => restoreStore(at('store.sqlite'), at('copy'), at('kept')))).toContain(problem);
    expect(existsSync(at('kept'))).toBe(false);
    expect(checkStoreFile(at('store.sqlite')).records).toBe(1);
  });
});

describe('a restore of the SQLite store', () => {
  it('waits for no one: a store that a process has open is refused, and goes on', async () => {
    const store = await open(at('store.sqlite'));
    await store.put('Token', 'early', { value: 1 });
    copyStore(at('store.sqlite'), at('copy'));
    await store.put('Token', 'late', { value: 2 });
    const restore = () => restoreStore(at('store.sqlite'), at('copy'), at('kept'));
    expect(problemOf(restore)).toContain('a process has the store open');
    expect((await store.find('Token', 'late'))?.value).toBe(2);
    await store.close();
    expect(restore()).toMatchObject({ replaced: at('kept'), store: { records: 1 } });
    const again = await open(at('store.sqlite'));
    expect((await again.find('Token', 'early'))?.value).toBe(1);
    expect(await again.find('Token', 'late')).toBeUndefined();
    await again.close();
    const kept = await open(at('kept'));
    expect((await kept.find('Token', 'late'))?.value).toBe(2);
    await kept.close();
  });

  it('leaves no log of the store before, which would be written into the copy', async () => {
    const store = await open(at('store.sqlite'));
    await store.put('Token', 'early', { value: 1 });
    copyStore(at('store.sqlite'), at('copy'));
    await store.put('Token', 'late', { value: 2 });
    // As after a kill: file and log lie there, and no process has them open.
    for (const name of ['', '-wal']) copyFileSync(at(`store.sqlite${name}`), at(`killed.sqlite${name}`));
    await store.close();
    restoreStore(at('killed.sqlite'), at('copy'), at('kept'));
    const again = await open(at('killed.sqlite'));
    expect(await again.find('Token', 'late')).toBeUndefined();
    await again.put('Token', 'new', { value: 3 });
    await again.close();
    expect(checkStoreFile(at('killed.sqlite')).records).toBe(2);
    expect(checkStoreFile(at('kept')).records).toBe(2);
  });

  it('takes the place of a damaged store, and of none', async () => {
    const store = await open(at('store.sqlite'));
    await store.put('Token', 'early', { value: 1 });
    copyStore(at('store.sqlite'), at('copy'));
    await store.close();
    writeFileSync(at('store.sqlite'), 'damaged '.repeat(2000));
    writeFileSync(at('store.sqlite-wal'), 'its log');
    expect(restoreStore(at('store.sqlite'), at('copy'), at('kept')).replaced).toBe(at('kept'));
    expect(restoreStore(at('other.sqlite'), at('copy'), at('kept-other')).replaced).toBeUndefined();
    for (const name of ['store.sqlite', 'other.sqlite']) expect(checkStoreFile(at(name)).records).toBe(1);
    expect([existsSync(at('kept-wal')), existsSync(at('store.sqlite-wal'))]).toEqual([true, false]);
  });
});

function change(file: string, statements: string): void {
  const database = secondConnection(file);
  database.exec(statements);
  database.close();
}
