import { execFileSync, spawn } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { isRefusal } from '../../../src/errors.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { MIGRATIONS, migrate } from '../../../src/storage/sqlite/sqlite-schema.ts';
import type { Store } from '../../../src/storage/store.ts';
import { secondConnection } from './second-connection.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-sqlite-faults-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const newFile = () => {
  files += 1;
  return join(folder, `store-${files}.sqlite`);
};
const open = (file: string) => openSqliteStore({ file, clock: systemClock, log: silentLog });
const CHILD = fileURLToPath(new URL('./sqlite-child.ts', import.meta.url));

async function expectUnavailable(work: Promise<unknown>): Promise<void> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(isRefusal(error, 'ERR_STORAGE_UNAVAILABLE'), String(error)).toBe(true);
}

async function filled(file: string, count = 200): Promise<void> {
  const store = await open(file);
  for (let at = 0; at < count; at += 1) await store.put('Token', `t${at}`, { value: 'x'.repeat(500) });
  await store.close();
}

/** Runs a command in a mount namespace of its own, where a small disk is mounted at /mnt. */
function onSmallDisk(command: string, megabytes = 1): string | undefined {
  try {
    const script = `mount -t tmpfs -o size=${megabytes}m tmpfs /mnt && echo mounted && ${command}`;
    return execFileSync('unshare', ['-Urm', 'sh', '-c', script], { encoding: 'utf8' });
  } catch (error) {
    const { stdout } = error as { readonly stdout?: string };
    if (stdout?.includes('mounted') === true) throw error;
    return undefined;
  }
}

describe('the SQLite store in trouble', () => {
  it('says so while another process holds the file, lets others run meanwhile, and recovers (M8)', async () => {
    const file = newFile();
    const store = await open(file);
    const other = secondConnection(file);
    other.exec('BEGIN IMMEDIATE');
    let ticks = 0;
    const ticker = setInterval(() => {
      ticks += 1;
    }, 10);
    await expectUnavailable(store.put('Token', 'a', { value: 1 }));
    clearInterval(ticker);
    // Some 150 when nothing else runs; a wait in this thread would leave none.
    expect(ticks).toBeGreaterThan(20);
    expect(await store.isHealthy()).toBe(false);
    expect(await store.find('Token', 'a')).toBeUndefined();
    const late = store.put('Token', 'b', { value: 2 });
    setTimeout(() => other.exec('ROLLBACK'), 300);
    await late;
    other.close();
    await store.put('Token', 'a', { value: 1 });
    expect(await store.isHealthy()).toBe(true);
    await store.close();
  }, 20_000);

  it('acknowledges nothing when the disk is full, and goes on when there is room (M9)', async () => {
    const file = newFile();
    const store = await open(file);
    await store.put('Token', 'before', { value: 1 });
    const limit = secondConnection(file);
    const pages = Number(limit.prepare('PRAGMA page_count').get()?.page_count);
    limit.close();
    await store.close();
    const small = await openSqliteStore({ file, clock: systemClock, log: silentLog, maxPages: pages + 2 });
    // More than the pages that the first schemas have left free.
    const big = 'x'.repeat(200_000);
    await expectUnavailable(small.put('Token', 'big', { value: big }));
    expect(await small.find('Token', 'big')).toBeUndefined();
    expect((await small.find('Token', 'before'))?.value).toBe(1);
    await small.put('Token', 'small', { value: 2 });
    await small.close();
  });

  it.each([
    ['a disk of one megabyte', () => onSmallDisk(`${process.execPath} ${CHILD} fill /mnt/store.sqlite`)],
    [
      'a limit on the size of files, which is an I/O error to SQLite',
      () =>
        execFileSync('sh', ['-c', `ulimit -f 1000; ${process.execPath} ${CHILD} fill ${newFile()}`], {
          encoding: 'utf8',
        }),
    ],
  ])('refuses on %s, and has all that it acknowledged (M9)', (_what, run) => {
    const said = run();
    if (said === undefined) {
      console.warn('skipped: no disk may be mounted here');
      return;
    }
    expect(said).toContain('refused ERR_STORAGE_UNAVAILABLE');
    const [, acknowledged = '', found = ''] = /acknowledged (\d+) found (\d+)/.exec(said) ?? [];
    expect(Number(acknowledged)).toBeGreaterThan(5);
    expect(found).toBe(acknowledged);
  });

  it('heals on a disk that expired records have filled, with the room of the reserve (M9)', () => {
    const said = onSmallDisk(`${process.execPath} ${CHILD} heal /mnt/store.sqlite`, 100);
    if (said === undefined) {
      console.warn('skipped: no disk may be mounted here');
      return;
    }
    expect(said).toMatch(/full after \d+ rounds\nhealed true/);
  }, 60_000);

  it('refuses to start on a disk that may only be read', () => {
    const file = newFile();
    const said = onSmallDisk(
      `mount -o remount,ro /mnt && ${process.execPath} ${CHILD} open /mnt/store.sqlite one 2>&1 || echo ended; ` +
        `touch ${file}`,
    );
    if (said === undefined) {
      console.warn('skipped: no disk may be mounted here');
      return;
    }
    expect(said).toContain('ERR_STORAGE_UNAVAILABLE');
    expect(said).toContain('ended');
  });

  it.each([
    ['junk', (file: string) => writeFileSync(file, 'this is not a database, it is a letter '.repeat(200))],
    [
      'a newer version of ours',
      (file: string) => {
        const database = secondConnection(file);
        database.exec('PRAGMA user_version = 99');
        database.close();
      },
    ],
  ])('refuses to open a file of %s, and leaves it as it is (M11)', async (_what, make) => {
    const file = newFile();
    make(file);
    const before = readFileSync(file);
    await expectUnavailable(open(file));
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it.each([
    ['whose header is overwritten', (fd: number) => writeSync(fd, Buffer.alloc(100, 0xa5), 0, 100, 0)],
    [
      'some of whose pages are overwritten',
      (fd: number, size: number) => {
        for (let at = 8192; at < size; at += 8192) writeSync(fd, Buffer.alloc(512, 0xa5), 0, 512, at);
      },
    ],
    ['that is cut in half', (_fd: number, size: number, file: string) => truncateSync(file, size / 2)],
  ])('refuses to open a file %s (M11)', async (_what, damage) => {
    const file = newFile();
    await filled(file);
    damage(openSync(file, 'r+'), statSync(file).size, file);
    await expectUnavailable(open(file));
  });

  it('opens with what is whole when the end of the write-ahead log is lost (M11)', async () => {
    const file = newFile();
    const store = await open(file);
    for (let at = 0; at < 50; at += 1) await store.put('Token', `t${at}`, { value: 'x'.repeat(500) });
    const copy = newFile();
    copyFileSync(file, copy);
    copyFileSync(`${file}-wal`, `${copy}-wal`);
    await store.close();
    truncateSync(`${copy}-wal`, Math.floor(statSync(`${copy}-wal`).size * 0.6));
    const again = await open(copy);
    expect(await again.find('Token', 't0')).toBeDefined();
    expect(await again.find('Token', 't49')).toBeUndefined();
    await again.put('Token', 'more', { value: 1 });
    await again.close();
  });

  it('is unavailable while the file is away or damaged, never starts afresh, and heals (M11, M17)', async () => {
    const file = newFile();
    const aside = `${file}.aside`;
    const store = await open(file);
    await store.put('Token', 'kept', { value: 1 });
    const heals = async (read: Store['find']) => {
      await expect.poll(() => store.isHealthy(), { timeout: 5000 }).toBe(true);
      expect((await read('Token', 'kept'))?.value).toBe(1);
    };
    // The log of a file that is moved away belongs to it.
    const move = (from: string, to: string) => {
      for (const suffix of ['', '-wal', '-shm']) renameSync(from + suffix, to + suffix);
    };
    move(file, aside);
    await expectUnavailable(store.put('Token', 'lost', { value: 1 }));
    await expectUnavailable(store.find('Token', 'kept'));
    expect(await store.isHealthy()).toBe(false);
    writeFileSync(file, 'this is not a database '.repeat(500));
    await expectUnavailable(store.put('Token', 'lost', { value: 1 }));
    await expectUnavailable(store.find('Token', 'kept'));
    move(aside, file);
    await heals(store.find);
    await store.put('Token', 'after', { value: 2 });
    await store.close();
  });

  it('refuses a folder that is not there', async () => {
    await expectUnavailable(open(join(folder, 'none', 'x.sqlite')));
  });

  it('does nothing after it is closed', async () => {
    const store = await open(newFile());
    const last = store.put('Token', 'last', { value: 1 });
    await store.close();
    await last;
    await expectUnavailable(store.put('Token', 'later', { value: 1 }));
  });

  it('migrates in one step or not at all, and keeps what there was', async () => {
    const file = newFile();
    await filled(file, 3);
    const database = secondConnection(file);
    const version = () => database.prepare('PRAGMA user_version').get()?.user_version;
    const steps = [...MIGRATIONS, 'ALTER TABLE record ADD COLUMN extra TEXT'];
    expect(() => migrate(database, [...steps, 'ALTER TABLE none ADD COLUMN x TEXT'])).toThrow('none');
    expect(version()).toBe(MIGRATIONS.length);
    migrate(database, steps);
    expect(version()).toBe(steps.length);
    expect(database.prepare('SELECT id, extra FROM record WHERE id = ?').get('t2')).toEqual({
      id: 't2',
      extra: null,
    });
    database.close();
    await expectUnavailable(open(file));
  });

  it('migrates a file of the schema before: records, their indexes, marks of use and ends', async () => {
    const file = newFile();
    const database = secondConnection(file);
    migrate(database, MIGRATIONS.slice(0, 2));
    const insert = database.prepare('INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)');
    const index = database.prepare('INSERT INTO record_index VALUES (?, ?, ?, ?)');
    const end = systemClock.now().getTime() + 60_000;
    for (let at = 0; at < 50; at += 1) {
      insert.run('Code', `c${at}`, JSON.stringify(at), at % 2 === 0 ? end : 1, at === 4 ? 7 : null, at);
      index.run('Code', 'grantId', `g${at % 5}`, `c${at}`);
    }
    database.close();
    const store = await open(file);
    const found = await store.find('Code', 'c4');
    expect(found).toEqual({ id: 'c4', value: 4, consumedAt: new Date(7), expiresAt: new Date(end) });
    expect(await store.consume('Code', 'c4')).toBe(false);
    expect(await store.find('Code', 'c3')).toBeUndefined();
    const ofGrant = await store.listByIndex('Code', 'grantId', 'g0');
    expect(ofGrant.map(({ id }) => id)).toEqual(['c0', 'c10', 'c20', 'c30', 'c40']);
    await store.deleteByIndex('Code', 'grantId', 'g0', new Date(end));
    expect(await store.find('Code', 'c10')).toBeUndefined();
    expect((await store.find('Code', 'c12'))?.value).toBe(12);
    await store.close();
  });

  it('ends its process without being closed, when nothing else is to do', async () => {
    const script = `
      const { openSqliteStore } = await import(${JSON.stringify(new URL('../../../src/storage/sqlite/sqlite.ts', import.meta.url).href)});
      const store = await openSqliteStore({ file: ${JSON.stringify(newFile())},
        clock: { now: () => new Date() }, log: { emit() {} } });
      await store.put('Token', 'a', { value: 1 });
      console.log('put');`;
    const started = spawn(process.execPath, ['--input-type=module', '-e', script]);
    let said = '';
    started.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const code = await new Promise((resolve) => started.once('close', resolve));
    expect([code, said]).toEqual([0, 'put\n']);
  });
});
