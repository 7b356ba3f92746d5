import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDerSequence, splitDerSequences } from '../../src/mutual-tls/der-form.ts';
import { parseBase64 } from '../../src/mutual-tls/forwarded-base64.ts';
import { PROXY_FORMATS } from '../../src/mutual-tls/proxy-formats.ts';
import { context, octetString, sequence, set, tlv } from '../x509/der-writer.ts';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const nested = (depth: number): Buffer => (depth === 0 ? sequence() : sequence(nested(depth - 1)));

describe('one DER SEQUENCE (X.690 §10)', () => {
  it.each([
    ['empty', sequence()],
    ['with a long length', sequence(octetString(Buffer.alloc(200)), octetString(Buffer.alloc(70_000)))],
    ['with a set and a context tag', sequence(set(sequence()), context(3, sequence()))],
    ['32 deep', nested(31)],
  ])('is known: %s', (_title, der) => {
    expect(isDerSequence(der)).toBe(true);
    expect(splitDerSequences(Buffer.concat([der, der]))).toEqual([der, der]);
  });

  it.each([
    ['nothing', ''],
    ['a tag only', '30'],
    ['a set', '31 00'],
    ['a primitive sequence', '10 00'],
    ['a length that is too great', '30 01'],
    ['a length that leaves something', '30 00 00'],
    ['an inner length that is too great', '30 02 04 01'],
    ['an inner length that reaches over the outer one', '30 03 04 02 00'],
    ['an indefinite length', '30 80 00 00'],
    ['an indefinite length inside', '30 04 30 80 00 00'],
    ['a short length in long form', '30 81 00'],
    ['a short length in long form inside', '30 03 04 81 00'],
    ['a length with a leading zero', `30 82 00 80 ${'05 00 '.repeat(64)}`],
    ['a length of four bytes', '30 84 00 00 00 00'],
    ['a length that is cut off', '30 82 01'],
    ['a constructed octet string', '30 04 24 02 04 00'],
    ['a constructed bit string', '30 02 23 00'],
    ['a tag of more than one byte', '30 03 1f 1f 00'],
    ['a constructed tag of more than one byte', '30 03 bf 1f 00'],
  ])('is not %s', (_title, hex) => {
    expect(isDerSequence(bytes(hex))).toBe(false);
    expect(splitDerSequences(Buffer.concat([sequence(), bytes(hex), sequence()]))?.length).not.toBe(3);
  });

  it('is not deeper than any certificate, so that nothing overflows', () => {
    expect(isDerSequence(nested(32))).toBe(false);
    expect(isDerSequence(nested(5000))).toBe(false);
  });

  it('is what the writer writes, and no cut or longer form of it', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.uint8Array({ maxLength: 300 }).map((content) => octetString(content)),
        fc.array(tie('value') as fc.Arbitrary<Buffer>, { maxLength: 4 }).map((parts) => sequence(...parts)),
        fc.array(tie('value') as fc.Arbitrary<Buffer>, { maxLength: 4 }).map((parts) => tlv(0xa0, ...parts)),
      ),
    })).value;
    fc.assert(
      fc.property(fc.array(value, { maxLength: 4 }), (parts) => {
        const der = sequence(...parts);
        expect(isDerSequence(der)).toBe(true);
        expect(isDerSequence(der.subarray(0, -1))).toBe(false);
        expect(isDerSequence(Buffer.concat([der, Buffer.alloc(1)]))).toBe(false);
      }),
      { seed: 690, numRuns: 300 },
    );
  });
});

describe('base64 has one spelling for each value (RFC 4648 §3.5)', () => {
  it('takes that one only', () => {
    expect(parseBase64('AA==').toString('hex')).toBe('00');
    const others = [
      'AB==',
      'AA=',
      'AA',
      'AA===',
      'A',
      '=',
      '',
      'AA==\n',
      ' AA==',
      'AA==AA==',
      '-_==',
      'AAA=A',
      'AAB=',
    ];
    for (const text of others)
      expect(() => parseBase64(text), text).toThrow(expect.objectContaining({ code: 'ERR_PROXY_HEADER' }));
  });

  it('never throws anything but a refusal, in any format', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.base64String());
    for (const format of Object.values(PROXY_FORMATS)) {
      fc.assert(
        fc.property(text, (value) => {
          try {
            format.parse(value);
          } catch (error) {
            expect(error).toMatchObject({ code: 'ERR_PROXY_HEADER' });
          }
        }),
        { seed: 4648, numRuns: 200 },
      );
    }
  });
});
