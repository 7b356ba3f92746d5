import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FoundRecords } from '../../src/files/found-records.ts';
import { type PackedRecords, packRecords } from '../../src/files/packed-records.ts';

describe('packed records', () => {
  it('are found by their keys, whatever keys and records hold', () => {
    const entries = fc.array(
      fc.tuple(fc.string({ unit: 'binary', maxLength: 8 }), fc.jsonValue({ maxDepth: 2 })),
    );
    fc.assert(
      fc.property(entries, fc.string({ maxLength: 8 }), (list, other) => {
        const packed = packRecords(list);
        expect(packed.size).toBe(list.length);
        const clean = (value: unknown) => JSON.parse(JSON.stringify(value));
        for (const key of [...list.map(([one]) => one), other]) {
          const wanted = list.filter(([one]) => one === key).map(([, record]) => clean(record));
          expect(packed.find(key)).toEqual(wanted);
          expect(packed.has(key)).toBe(wanted.length > 0);
        }
        expect(list.map((_, at) => packed.keyAt(at))).toEqual(list.map(([key]) => key));
        expect(list.map((_, at) => packed.recordAt(at))).toEqual(list.map(([, record]) => clean(record)));
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it('stay found when there are many of them', () => {
    const count = 5000;
    const packed = packRecords(Array.from({ length: count }, (_, at) => [`client-${at}`, { at }] as const));
    for (let at = 0; at < count; at += 1) expect(packed.find(`client-${at}`)).toEqual([{ at }]);
    expect(packed.find(`client-${count}`)).toEqual([]);
    expect(packed.packed.byteLength).toBeLessThan(count * 80);
  });
});

describe('found records', () => {
  it('are the same objects until the source has another copy, and never more than a few thousand', () => {
    const source: { current: PackedRecords } = {
      current: packRecords(Array.from({ length: 9000 }, (_, at) => [`${at}`, { at }] as const)),
    };
    let made = 0;
    const found = new FoundRecords(source, (record) => {
      made += 1;
      return { record };
    });
    const [one] = found.find('1');
    expect(found.find('1')[0]).toBe(one);
    expect(found.find('none')).toEqual([]);
    for (let at = 2; at < 9000; at += 1) found.find(`${at}`);
    made = 0;
    found.find('8999');
    expect(made).toBe(0);
    found.find('2');
    expect(made).toBe(1);
    source.current = packRecords([['1', { at: 'other' }]]);
    expect(found.find('1')).toEqual([{ record: { at: 'other' } }]);
    expect(found.find('8999')).toEqual([]);
  });
});

describe('records by a member', () => {
  it('are those whose own member has the text, and no more than asked for', () => {
    const packed = packRecords([
      ['a', { id: 'a', of: 'one' }],
      ['b', { id: 'b', of: 'two', inner: { of: 'one' } }],
      ['c', { id: 'c', of: 'one' }],
      ['d', { id: 'd', of: 'three', note: '"of":"one"' }],
      ['e', { id: 'e', of: 'one' }],
    ]);
    const idsOf = (value: string, limit: number) =>
      packed.findByMember('of', value, limit).map((record) => Object(record).id);
    expect(idsOf('one', 9)).toEqual(['a', 'c', 'e']);
    expect(idsOf('one', 2)).toEqual(['a', 'c']);
    expect(idsOf('on', 9)).toEqual([]);
    expect(packRecords([]).findByMember('of', 'one', 9)).toEqual([]);
  });
});
