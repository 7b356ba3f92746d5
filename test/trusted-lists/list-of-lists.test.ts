import { describe, expect, it } from 'vitest';
import { readListOfLists } from '../../src/trusted-lists/list-of-lists.ts';
import { listOfLists, nationalList, operator } from './written-lists.ts';

const [journal, second, third, stranger] = ['journal', 'second', 'third', 'stranger'].map(operator);
if (!journal || !second || !third || !stranger) throw new Error('four operators');
const officialJournal = [journal.der];
const file = (source: string, bytes: Buffer) => ({ source, bytes });
const pivot = (number: number, by = journal, next = second) =>
  file(`pivot-${number}`, listOfLists(by, { next, sequenceNumber: number }));
const read = (by: typeof journal, ...pivots: readonly ReturnType<typeof file>[]) =>
  readListOfLists(file('lotl', listOfLists(by, { sequenceNumber: 200 })), { officialJournal, pivots });
const refusal = (code: string) => expect.objectContaining({ code });

describe('the list of the lists', () => {
  it('is proved by the Official Journal, or over pivots in any order', () => {
    expect(read(journal).pivots).toEqual([]);
    expect(read(second, pivot(150)).pivots).toEqual([150]);
    expect(read(third, pivot(160, second, third), pivot(150)).pivots).toEqual([150, 160]);
  });

  it('is refused when its signer is named by none of them', () => {
    expect(() => read(stranger)).toThrow(refusal('ERR_TRUSTED_LIST_SIGNER'));
    expect(() => read(second)).toThrow(refusal('ERR_TRUSTED_LIST_SIGNER'));
    expect(() => read(third, pivot(160, second, third))).toThrow(refusal('ERR_TRUSTED_LIST_SIGNER'));
  });

  it('is refused by a pivot of a stranger, whoever that names', () => {
    expect(() => read(stranger, pivot(300, stranger, stranger))).toThrow(refusal('ERR_TRUSTED_LIST_SIGNER'));
  });

  it('is refused when its signer was replaced by a later pivot', () => {
    expect(() => read(journal, pivot(150))).toThrow(refusal('ERR_TRUSTED_LIST_SIGNER'));
  });

  it('takes no former signer back from a pivot that is older than one already proved', () => {
    const back = pivot(140, second, journal);
    expect(read(second, pivot(150), back).pivots).toEqual([150]);
    expect(() => read(journal, pivot(150), back)).toThrow(refusal('ERR_TRUSTED_LIST_SIGNER'));
  });

  it('is a list of type EUlistofthelists for EU, and so are its pivots', () => {
    const national = file('AA', nationalList(journal));
    const wrong = listOfLists(journal, { territory: 'DE' });
    for (const one of [national, file('DE', wrong)]) {
      expect(() => readListOfLists(one, { officialJournal, pivots: [] })).toThrow(
        refusal('ERR_TRUSTED_LIST_MALFORMED'),
      );
      expect(() => read(journal, one)).toThrow(refusal('ERR_TRUSTED_LIST_MALFORMED'));
    }
  });

  it('is refused with a pivot that is broken: the chain would have a hole that no message names', () => {
    const broken = pivot(150);
    const text = broken.bytes.toString('utf8').replace('150', '151');
    expect(() => read(second, file('pivot', Buffer.from(text)))).toThrow(
      refusal('ERR_TRUSTED_LIST_SIGNATURE'),
    );
  });
});
