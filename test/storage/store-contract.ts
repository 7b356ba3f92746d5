import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.ts';
import { isRefusal } from '../../src/errors.ts';
import type { Store, StoredRecord } from '../../src/storage/store.ts';

/** A clock that a test moves. */
export class TestClock implements Clock {
  #now = Date.parse('2026-11-24T12:00:00Z');
  now(): Date {
    return new Date(this.#now);
  }
  forward(seconds: number): void {
    this.#now += seconds * 1000;
  }
}

/** What every store must do, whatever is behind it. */
export function describeStore(name: string, open: (clock: Clock) => Promise<Store>): void {
  describe(`${name} keeps the store contract`, () => {
    let clock: TestClock;
    let store: Store;
    beforeEach(async () => {
      clock = new TestClock();
      store = await open(clock);
    });
    afterEach(() => store.close());
    const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);

    const readOf = async (kind: string, id: string): Promise<StoredRecord> => {
      const found = await store.find(kind, id);
      if (found === undefined) throw new Error(`no ${kind} ${id}`);
      return found;
    };
    const pagesOf = async (value: string, limit: number): Promise<string[][]> => {
      const pages: string[][] = [];
      let after: string | undefined;
      do {
        const page = await store.listPage('Consent', 'tpp', value, { limit, after });
        pages.push(page.records.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      return pages;
    };

    it('finds what was put, by id and by index, until it expires', async () => {
      const value = { text: 'ä"\\', list: [1, null], nested: { yes: true } };
      await store.put('Code', 'a', { value, expiresAt: inSeconds(10), indexes: { grant: 'g', user: 'u' } });
      expect((await store.find('Code', 'a'))?.value).toEqual(value);
      expect((await store.findByIndex('Code', 'user', 'u'))?.id).toBe('a');
      expect(await store.find('Token', 'a')).toBeUndefined();
      expect(await store.findByIndex('Token', 'user', 'u')).toBeUndefined();
      clock.forward(10);
      expect(await store.find('Code', 'a')).toBeUndefined();
      expect(await store.findByIndex('Code', 'user', 'u')).toBeUndefined();
      expect(await store.consume('Code', 'a')).toBe(false);
    });

    it('replaces a record with its indexes, and keeps its mark of use', async () => {
      await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(10), indexes: { grant: 'old' } });
      expect(await store.consume('Code', 'a')).toBe(true);
      await store.put('Code', 'a', { value: 2, expiresAt: inSeconds(20), indexes: { grant: 'new' } });
      expect(await store.findByIndex('Code', 'grant', 'old')).toBeUndefined();
      expect(await store.findByIndex('Code', 'grant', 'new')).toMatchObject({
        value: 2,
        consumedAt: clock.now(),
      });
      expect(await store.consume('Code', 'a')).toBe(false);
    });

    it('starts afresh under an id whose record has expired', async () => {
      await store.put('Code', 'a', { value: 1, expiresAt: inSeconds(1) });
      await store.consume('Code', 'a');
      clock.forward(2);
      await store.put('Code', 'a', { value: 2, expiresAt: inSeconds(10) });
      expect(await store.consume('Code', 'a')).toBe(true);
    });

    it('lets exactly one of many consume (J1)', async () => {
      for (let round = 0; round < 20; round += 1) {
        await store.put('Code', `c${round}`, { value: round, expiresAt: inSeconds(10) });
        const answers = await Promise.all(
          Array.from({ length: 16 }, () => store.consume('Code', `c${round}`)),
        );
        expect(answers.filter(Boolean)).toHaveLength(1);
      }
      expect(await store.consume('Code', 'none')).toBe(false);
    });

    it('lets exactly one of many put what must be new, and another one after it expired (J8)', async () => {
      const attempt = () => store.putIfAbsent('Replay', 'jti', { value: null, expiresAt: inSeconds(5) });
      expect((await Promise.all(Array.from({ length: 16 }, attempt))).filter(Boolean)).toHaveLength(1);
      clock.forward(5);
      expect((await Promise.all(Array.from({ length: 16 }, attempt))).filter(Boolean)).toHaveLength(1);
    });

    it('gives five places to five of many callers, and a deleted one to one more', async () => {
      const place = async (): Promise<number | undefined> => {
        for (let at = 0; at < 5; at += 1) {
          if (await store.putIfAbsent('Attempt', `a.${at}`, { value: null, expiresAt: inSeconds(9) }))
            return at;
        }
        return undefined;
      };
      const many = async () =>
        (await Promise.all(Array.from({ length: 16 }, place))).filter((at) => at !== undefined);
      expect((await many()).toSorted()).toEqual([0, 1, 2, 3, 4]);
      await store.delete('Attempt', 'a.2');
      expect(await many()).toEqual([2]);
      clock.forward(9);
      expect(await many()).toHaveLength(5);
    });

    it('deletes by index, and lets nothing be written there until the tombstone is over (J2)', async () => {
      const record = { value: 1, expiresAt: inSeconds(1000), indexes: { grant: 'g' } };
      await store.put('Token', 'a', record);
      await store.put('Token', 'b', record);
      await store.put('Token', 'c', { ...record, indexes: { grant: 'other' } });
      await store.put('Refresh', 'a', record);
      await store.deleteByIndex('Token', 'grant', 'g', inSeconds(60));
      expect(await store.listByIndex('Token', 'grant', 'g')).toEqual([]);
      expect(await store.find('Token', 'c')).toBeDefined();
      expect(await store.find('Refresh', 'a')).toBeDefined();
      for (const write of [store.put('Token', 'd', record), store.putIfAbsent('Token', 'd', record)]) {
        const error = await write.then(
          () => undefined,
          (caught: unknown) => caught,
        );
        expect(isRefusal(error, 'ERR_STORAGE_REVOKED')).toBe(true);
      }
      clock.forward(60);
      await store.put('Token', 'd', record);
      expect(await store.listByIndex('Token', 'grant', 'g')).toHaveLength(1);
    });

    it('lists and deletes any number by an index', async () => {
      const count = 700;
      const record = { value: 1, expiresAt: inSeconds(1000), indexes: { grant: 'g', user: 'u' } };
      const ids = Array.from({ length: count }, (_, at) => `t${at}`);
      await Promise.all(ids.map((id) => store.put('Token', id, record)));
      await store.put('Token', 'other', { ...record, indexes: { grant: 'other', user: 'u' } });
      const listed = await store.listByIndex('Token', 'grant', 'g');
      expect(listed.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
      await store.deleteByIndex('Token', 'grant', 'g', inSeconds(60));
      expect(await store.listByIndex('Token', 'grant', 'g')).toEqual([]);
      expect((await store.listByIndex('Token', 'user', 'u')).map(({ id }) => id)).toEqual(['other']);
    });

    it('commits the neighbours of a write that is refused', async () => {
      await store.deleteByIndex('Token', 'grant', 'dead', inSeconds(60));
      const writes = [
        store.put('Token', 'a', { value: 1, expiresAt: inSeconds(10) }),
        store.put('Token', 'b', { value: 2, expiresAt: inSeconds(10), indexes: { grant: 'dead' } }),
        store.put('Token', 'c', { value: 3, expiresAt: inSeconds(10) }),
      ];
      expect((await Promise.allSettled(writes)).map(({ status }) => status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      expect((await store.find('Token', 'c'))?.value).toBe(3);
    });

    it('lets exactly one of 64 replace the value that all of them have read', async () => {
      await store.put('Consent', 'a', { value: { n: 0, text: 'ä"\\' }, indexes: { psu: 'p' } });
      for (let round = 1; round <= 10; round += 1) {
        const read = await readOf('Consent', 'a');
        const attempts = Array.from({ length: 64 }, (_, at) =>
          store.replace('Consent', read, { value: { n: round, at }, indexes: { psu: 'p' } }),
        );
        const answers = await Promise.all(attempts);
        expect(answers.filter(Boolean)).toHaveLength(1);
        expect((await readOf('Consent', 'a')).value).toEqual({ n: round, at: answers.indexOf(true) });
      }
    });

    it('replaces end and indexes too, and keeps the mark of use', async () => {
      await store.put('Consent', 'a', { value: 1, expiresAt: inSeconds(5), indexes: { psu: 'p', tpp: 't' } });
      const read = await readOf('Consent', 'a');
      await store.consume('Consent', 'a');
      const next = { value: 2, expiresAt: inSeconds(20), indexes: { psu: 'q' } };
      expect(await store.replace('Consent', read, next)).toBe(true);
      clock.forward(10);
      expect(await store.listByIndex('Consent', 'psu', 'p')).toEqual([]);
      expect(await store.listByIndex('Consent', 'tpp', 't')).toEqual([]);
      expect(await store.findByIndex('Consent', 'psu', 'q')).toMatchObject({ id: 'a', value: 2 });
      expect(await store.consume('Consent', 'a')).toBe(false);
      expect((await readOf('Consent', 'a')).expiresAt).toEqual(inSeconds(10));
    });

    it('replaces no record that has changed, is gone, or has expired', async () => {
      const record = { value: 1, expiresAt: inSeconds(10), indexes: { psu: 'p' } };
      await store.put('Consent', 'a', record);
      const read = await readOf('Consent', 'a');
      const replace = () => store.replace('Consent', read, { ...record, value: 3, indexes: { psu: 'q' } });
      await store.put('Consent', 'a', { ...record, value: 2 });
      expect(await replace()).toBe(false);
      await store.put('Consent', 'a', record);
      clock.forward(10);
      expect(await replace()).toBe(false);
      await store.put('Consent', 'a', { ...record, expiresAt: inSeconds(10) });
      await store.delete('Consent', 'a');
      expect(await replace()).toBe(false);
      expect(await store.find('Consent', 'a')).toBeUndefined();
      expect(await store.listByIndex('Consent', 'psu', 'q')).toEqual([]);
      await expect(store.replace('Consent', read, record)).rejects.toThrow(TypeError);
    });

    it('refuses a replacement under an index value with a tombstone, and leaves the record (J2)', async () => {
      await store.put('Consent', 'a', { value: 1, expiresAt: inSeconds(100), indexes: { client: 'c' } });
      const read = await readOf('Consent', 'a');
      await store.deleteByIndex('Consent', 'grant', 'g', inSeconds(60));
      const next = { value: 2, expiresAt: inSeconds(100), indexes: { client: 'd', grant: 'g' } };
      const error: unknown = await store.replace('Consent', read, next).catch((caught: unknown) => caught);
      expect(isRefusal(error, 'ERR_STORAGE_REVOKED')).toBe(true);
      expect(await store.findByIndex('Consent', 'client', 'c')).toMatchObject({ value: 1 });
      expect(await store.listByIndex('Consent', 'client', 'd')).toEqual([]);
      await store.deleteByIndex('Consent', 'client', 'c', inSeconds(60));
      expect(await store.replace('Consent', read, { ...next, indexes: { client: 'd' } })).toBe(false);
    });

    it('returns an index page by page, each record once, and none that has ended', async () => {
      const ids = Array.from({ length: 45 }, (_, at) => `r${at}`);
      const record = (at: number) => ({
        value: at,
        indexes: { tpp: 't' },
        ...(at % 3 === 0 ? {} : { expiresAt: inSeconds(100 + (at % 2)) }),
      });
      await Promise.all(ids.map((id, at) => store.put('Consent', id, record(at))));
      await Promise.all(
        ['x', 'y'].map((id) => store.put('Consent', id, { ...record(1), expiresAt: inSeconds(5) })),
      );
      await store.put('Consent', 'other', { value: 0, indexes: { tpp: 'u' } });
      clock.forward(5);
      const all = await pagesOf('t', 7);
      expect(all.map(({ length }) => length)).toEqual([7, 7, 7, 7, 7, 7, 3]);
      expect(all.flat().toSorted()).toEqual(ids.toSorted());
      expect(await pagesOf('t', 45)).toHaveLength(1);
      expect(await pagesOf('none', 7)).toEqual([[]]);
      const counts = ['t', 'u', 'none'].map((value) => store.count('Consent', 'tpp', value, 100));
      expect(await Promise.all(counts)).toEqual([45, 1, 0]);
      expect(await store.count('Consent', 'tpp', 't', 44)).toBe(44);
      clock.forward(1000);
      expect((await pagesOf('t', 4)).flat()).toHaveLength(15);
      expect(await store.count('Consent', 'tpp', 't', 100)).toBe(15);
    });

    it('goes on after a record that has gone since, and from any text', async () => {
      const ids = Array.from({ length: 9 }, (_, at) => `r${at}`);
      for (const id of ids) await store.put('Consent', id, { value: id, indexes: { tpp: 't' } });
      const first = await store.listPage('Consent', 'tpp', 't', { limit: 4 });
      const last = first.records.at(-1);
      await store.delete('Consent', last?.id ?? '');
      const second = await store.listPage('Consent', 'tpp', 't', { limit: 9, after: first.next });
      const seen = [...first.records, ...second.records].map(({ id }) => id);
      expect(seen.toSorted()).toEqual(ids);
      expect(second.next).toBeUndefined();
      for (const after of [
        'r3',
        'inf.',
        'inf.\0',
        '99999999999999999999.x',
        '(1',
        '-inf.x',
        'é'.repeat(99),
      ]) {
        const { records } = await store.listPage('Consent', 'tpp', 't', { limit: 2, after });
        expect(records.length).toBeLessThanOrEqual(2);
      }
    });

    it('sets bits at once from many callers, each for itself, and reads them lowest first', async () => {
      const bits = [0, 7, 8, 4095, 4096, 70_001, 131_071];
      await Promise.all(bits.map((bit) => store.setBit('list-0', bit, inSeconds(60))));
      await store.setBit('list-1', 3, inSeconds(60));
      await store.setBit('list-0', 8, inSeconds(10));
      const found = await store.findBits('list-0');
      const set = Array.from({ length: found.length * 8 }, (_, bit) => bit).filter(
        (bit) => (found.readUInt8(bit >> 3) & (1 << (bit & 7))) !== 0,
      );
      expect(set).toEqual(bits);
      const has = await Promise.all([0, 1, 8, 9, 70_001, 131_071].map((bit) => store.hasBit('list-0', bit)));
      expect(has).toEqual([true, false, true, false, true, true]);
      expect((await store.findBits('list-1'))[0]).toBe(8);
      expect([await store.hasBit('list-2', 3), (await store.findBits('list-2')).length]).toEqual([false, 0]);
    });

    it('gives no number twice', async () => {
      const firsts = await Promise.all(Array.from({ length: 50 }, () => store.allocate('counter', 10)));
      expect(new Set(firsts).size).toBe(50);
      expect(firsts.every((first) => first % 10 === 0)).toBe(true);
      expect(await store.allocate('other', 1)).toBe(0);
    });

    it('deletes several at once with their indexes, the absent ones too, and no other kind', async () => {
      const ids = Array.from({ length: 17 }, (_, at) => `a.${at}`);
      const record = { value: 1, expiresAt: inSeconds(10), indexes: { grant: 'g' } };
      for (const id of ids.slice(0, 9)) await store.put('Token', id, record);
      await store.put('Token', 'kept', record);
      await store.put('Refresh', 'a.0', record);
      await store.deleteAll('Token', [...ids, 'a.0']);
      await store.deleteAll('Token', []);
      expect((await store.listByIndex('Token', 'grant', 'g')).map(({ id }) => id)).toEqual(['kept']);
      expect(await Promise.all(ids.map((id) => store.find('Token', id)))).toEqual(ids.map(() => undefined));
      expect(await store.find('Refresh', 'a.0')).toBeDefined();
      expect(await store.putIfAbsent('Token', 'a.1', record)).toBe(true);
    });

    it('lists the oldest first, deletes one, and is healthy', async () => {
      for (const id of ['a', 'b', 'c']) {
        await store.put('Consent', id, { value: id, indexes: { psu: 'p' } });
        clock.forward(1);
      }
      await store.delete('Consent', 'b');
      await store.delete('Consent', 'none');
      expect((await store.listByIndex('Consent', 'psu', 'p')).map(({ id }) => id)).toEqual(['a', 'c']);
      expect(await store.isHealthy()).toBe(true);
    });
  });
}
