import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/events.ts';
import { checkStoreFile } from '../../../src/storage/sqlite/sqlite-copies.ts';
import { type Operation, preparedOperations } from '../../../src/storage/sqlite/sqlite-operations.ts';
import { followExpiry } from '../../../src/storage/sqlite/sqlite-purge.ts';
import { SqliteWriter } from '../../../src/storage/sqlite/sqlite-writer.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import { TestClock } from '../store-contract.ts';
import { secondConnection } from './second-connection.ts';

const folder = mkdtempSync(join(tmpdir(), 'tallystick-removals-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [EXPIRED, KEPT, REMOVED] = [300, 20, 200];
const NEVER_SECONDS = 3600;

/** A store after a removal that was not synced, as the disk has it when the power is cut. */
async function cutOff(name: string, lose: (log: Buffer, synced: number) => Buffer, isWrittenAfter = false) {
  const [file, copy] = [join(folder, `${name}.sqlite`), join(folder, `${name}-cut.sqlite`)];
  const clock = new TestClock();
  const store = await openSqliteStore({ file, clock, log: silentLog, purgeSeconds: NEVER_SECONDS });
  const until = new Date(clock.now().getTime() + 1000);
  const put = (id: string, more: { readonly expiresAt?: Date }) =>
    store.put('Token', id, { value: id, indexes: { grant: 'g' }, ...more });
  await Promise.all(Array.from({ length: EXPIRED }, (_, at) => put(`e${at}`, { expiresAt: until })));
  await Promise.all(Array.from({ length: KEPT }, (_, at) => put(`k${at}`, {})));
  clock.forward(2);
  const synced = statSync(`${file}-wal`).size;
  const writer = new SqliteWriter({ file });
  const removed = await writer.write({
    ...{ do: 'purge', limit: REMOVED, alsoBits: true },
    now: clock.now().getTime(),
  });
  expect(removed).toBe(REMOVED);
  if (isWrittenAfter) await put('after', {});
  copyFileSync(file, copy);
  const log = readFileSync(`${file}-wal`);
  expect(log.length).toBeGreaterThan(synced);
  writeFileSync(`${copy}-wal`, lose(log, synced));
  await writer.close();
  await store.close();
  return { copy, clock };
}

const countOf = (file: string) => {
  const database = secondConnection(file, { readOnly: true });
  const count = database.prepare('SELECT count(*) AS n FROM record').get()?.n;
  database.close();
  return count;
};

describe('removals of the SQLite store', () => {
  const whole = EXPIRED + KEPT;
  it.each([
    [
      'none of its pages has reached the disk',
      'none',
      (log: Buffer, synced: number) => log.subarray(0, synced),
    ],
    [
      'some have, and half of one',
      'some',
      (log: Buffer, synced: number) => log.subarray(0, synced + (log.length - synced) / 2),
    ],
    [
      'the last have, and the first are empty',
      'last',
      (log: Buffer, synced: number) => Buffer.from(log).fill(0, synced, synced + (log.length - synced) / 2),
    ],
  ])(
    'are repeated after a power cut when %s, and nothing else is lost (M10, M11)',
    async (_what, name, lose) => {
      const { copy, clock } = await cutOff(name, lose);
      expect(checkStoreFile(copy).records).toBe(whole);
      const store = await openSqliteStore({ file: copy, clock, log: silentLog, purgeSeconds: 0.02 });
      expect(await store.find('Token', 'e0')).toBeUndefined();
      expect(await store.listByIndex('Token', 'grant', 'g')).toHaveLength(KEPT);
      await expect.poll(() => countOf(copy), { timeout: 10_000 }).toBe(KEPT);
      await store.put('Token', 'more', { value: 1 });
      await store.close();
      expect(checkStoreFile(copy).records).toBe(KEPT + 1);
    },
  );

  it('are durable with the next write, which never depends on a log that is lost (M10)', async () => {
    const { copy } = await cutOff('after', (log) => log, true);
    expect(checkStoreFile(copy).records).toBe(whole - REMOVED + 1);
  });

  it('look through the bitmaps once, and not with each batch', async () => {
    const file = join(folder, 'bits.sqlite');
    const clock = new TestClock();
    const store = await openSqliteStore({ file, clock, log: silentLog, purgeSeconds: NEVER_SECONDS });
    const until = new Date(clock.now().getTime() + 1000);
    await Promise.all(
      Array.from({ length: 900 }, (_, at) => store.put('Token', `t${at}`, { value: 1, expiresAt: until })),
    );
    clock.forward(2);
    await store.close();
    const database = secondConnection(file);
    const perform = preparedOperations(database);
    const seen: Operation[] = [];
    const write = async (operation: Operation) => {
      seen.push(operation);
      const outcome = perform(operation);
      return 'value' in outcome ? outcome.value : null;
    };
    const now = () => clock.now().getTime();
    const loop = followExpiry({ writer: { write, isIdle: true }, now, log: silentLog, seconds: 0.01 });
    const looks = () => seen.flatMap((one) => (one.do === 'purge' ? [one.alsoBits] : []));
    await expect.poll(() => looks().length, { timeout: 10_000 }).toBeGreaterThan(4);
    await loop.close();
    expect(looks().slice(0, 5)).toEqual([true, false, false, true, true]);
    perform({ do: 'setBit', bitmap: 'b', bit: 1, expires: 1 });
    const count = () => database.prepare('SELECT count(*) AS n FROM bitmap').get()?.n;
    perform({ do: 'purge', now: 2, limit: 1, alsoBits: false });
    expect(count()).toBe(1);
    perform({ do: 'purge', now: 2, limit: 1, alsoBits: true });
    expect(count()).toBe(0);
    database.close();
  });
});
