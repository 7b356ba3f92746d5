import fc from 'fast-check';
import { parseDictionary, serializeInnerList as foreignSerialize } from 'structured-headers';
import { describe, expect, it } from 'vitest';
import {
  parseByteSequences,
  parseInnerLists,
  serializeBytes,
  serializeInnerList,
  StructuredFieldError,
} from '../../../src/resource-server/signatures/structured-fields.ts';

const key = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/);
const text = fc.stringMatching(/^[\x20-\x7e]{0,20}$/);
const bare = fc.oneof(text, fc.integer({ min: -999_999_999, max: 999_999_999_999_999 }), fc.boolean());
const parameters = fc.uniqueArray(fc.tuple(key, bare), { selector: ([name]) => name, maxLength: 5 });
const innerList = fc.record({
  items: fc.array(fc.tuple(text, parameters), { maxLength: 6 }),
  parameters,
});

describe('structured fields', () => {
  it('are read and written as another implementation does (RFC 9651 §4)', () => {
    fc.assert(
      fc.property(innerList, ({ items, parameters: own }) => {
        const foreign = foreignSerialize([
          items.map(([value, ofItem]) => [value, new Map(ofItem)] as const),
          new Map(own),
        ] as Parameters<typeof foreignSerialize>[0]);
        const list = parseInnerLists(`sig1=${foreign}`).get('sig1');
        expect(list?.items).toEqual(items.map(([value, ofItem]) => ({ value, parameters: new Map(ofItem) })));
        expect(list?.parameters).toEqual(new Map(own));
        expect(list && serializeInnerList(list)).toBe(foreign);
      }),
    );
  });

  it('are refused where another implementation refuses them, and never read differently', () => {
    const characters = fc.constantFrom(...'sig1=();,:"\\ \t?01-ab@A/+.*_=');
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 30 }), (chosen) => {
        const field = chosen.join('');
        let ours: ReturnType<typeof parseInnerLists>;
        try {
          ours = parseInnerLists(field);
        } catch (error) {
          expect(error).toBeInstanceOf(StructuredFieldError);
          return;
        }
        const theirs = parseDictionary(field);
        expect([...ours.keys()]).toEqual([...theirs.keys()]);
      }),
      { numRuns: 2000 },
    );
  });

  it('round-trip byte sequences, in their one spelling (RFC 4648 §3.5)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(parseByteSequences(`a=${serializeBytes(bytes)}`).get('a')).toEqual(Buffer.from(bytes));
      }),
    );
    for (const wrong of ['a=:YQ:', 'a=:YR==:', 'a=:YQ=:', 'a=YQ==', 'a=:Y_==:', 'a=:YQ==:;x']) {
      expect(() => parseByteSequences(wrong)).toThrow(StructuredFieldError);
    }
  });

  it.each([
    ['a key twice', 'a=(), a=()'],
    ['a parameter twice', 'a=();x=1;x=2'],
    ['no value', 'a'],
    ['a token', 'a=();x=tok'],
    ['a decimal', 'a=();x=1.5'],
    ['a comma at the end', 'a=(),'],
    ['no space between strings', 'a=("x""y")'],
    ['an open string', 'a=("x)'],
    ['a control character', 'a=("\u0001")'],
    ['an escape of another character', 'a=("\\x")'],
    ['nothing', ''],
    ['an upper-case key', 'A=()'],
    ['more members than any signer needs', Array.from({ length: 17 }, (_, at) => `a${at}=()`).join(', ')],
    ['more components than any signer needs', `a=(${Array.from({ length: 65 }, () => '"x"').join(' ')})`],
  ])('refuse %s', (_name, field) => {
    expect(() => parseInnerLists(field)).toThrow(StructuredFieldError);
  });
});
