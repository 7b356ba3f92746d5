import { describe, expect, it } from 'vitest';
import * as der from '../../../src/x509/der/der.ts';
import { decodeText } from '../../../src/x509/der/der-text.ts';
import { readTime } from '../../../src/x509/der/der-time.ts';

const octets = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const element = (hex: string) => der.readAll(octets(hex), (reader) => reader.any());
const text = (tag: number) => (hex: string) => decodeText(tag, octets(hex));

describe('strict DER (X.690 section 10)', () => {
  const rows: readonly (readonly [
    what: string,
    read: (hex: string) => unknown,
    wrong: readonly string[],
    right: string,
  ])[] = [
    ['element cut off', element, ['', '04', '04 02 aa', '04 82 01', '04 85 01 01 01 01 01'], '04 01 aa'],
    ['indefinite length', element, ['30 80 00 00'], '30 00'],
    ['length not minimal', element, ['04 81 01 aa', '04 82 00 01 aa'], `04 81 80 ${'aa'.repeat(128)}`],
    ['tag number above 30', element, ['1f 01 00', '5f 01 00'], '1e 00'],
    ['end-of-contents', element, ['00 00'], '05 00'],
    ['bytes after', element, ['05 00 00'], '05 00'],
    ['BOOLEAN', (hex) => der.decodeBoolean(octets(hex)), ['', '01', 'fe', 'ff ff'], 'ff'],
    ['INTEGER', (hex) => der.decodeInteger(octets(hex)), ['', '00 01', 'ff 80'], '00 80'],
    ['count', (hex) => der.decodeCount(octets(hex)), ['80', 'ff'], '7f'],
    ['BIT STRING', (hex) => der.decodeNamedBits(octets(hex)), ['', '01', '08 00', '01 01'], '01 02'],
    ['whole octets', (hex) => der.decodeOctetBits(octets(hex)), ['01 02'], '00 02'],
    [
      'OBJECT IDENTIFIER',
      (hex) => der.decodeOid(octets(hex)),
      ['', '80 01', '2a 80 01', '2a 81', 'aa'.repeat(65)],
      '2a 81 01',
    ],
    ['UTF8String', text(0x0c), ['ff', 'c0 80', 'ed a0 80'], 'c3 a4'],
    ['PrintableString', text(0x13), ['0a', '7f', '80'], '20'],
    ['IA5String', text(0x16), ['80'], '7f'],
    ['BMPString', text(0x1e), ['00', 'd8 35', 'd8 35 dc 00'], '00 61'],
    ['UniversalString', text(0x1c), ['00 00 61', '00 11 00 00', '00 00 d8 00'], '00 01 d4 00'],
    [
      'time',
      (hex) => der.readAll(octets(hex), readTime),
      [`16 0d ${Buffer.from('260101000000Z').toString('hex')}`],
      `17 0d ${Buffer.from('260101000000Z').toString('hex')}`,
    ],
  ];

  it.each(rows)('refuses a wrong %s', (_what, read, wrong, right) => {
    for (const hex of wrong) expect(() => read(hex)).toThrow(der.DerError);
    expect(() => read(right)).not.toThrow();
  });

  it.each([
    ['2.5.29.32.0', '55 1d 20 00'],
    ['1.2.840.113549', '2a 86 48 86 f7 0d'],
    ['0.39', '27'],
    ['1.39', '4f'],
    ['2.999.1', '88 37 01'],
    ['2.25.340282366920938463463374607431768211455', `69 83 ${'ff'.repeat(17)} 7f`],
  ])('reads %s', (dotted, hex) => {
    expect(der.decodeOid(octets(hex))).toBe(dotted);
  });

  it.each([
    ['500101000000Z', 1950],
    ['491231235959Z', 2049],
  ])('takes UTCTime %s for a year of its century (RFC 5280 section 4.1.2.5.1)', (digits, year) => {
    const bytes = Buffer.concat([Buffer.from([0x17, 0x0d]), Buffer.from(digits)]);
    expect(der.readAll(bytes, readTime).getUTCFullYear()).toBe(year);
  });

  it('reads GeneralizedTime to the end of the calendar', () => {
    const bytes = Buffer.concat([Buffer.from([0x18, 0x0f]), Buffer.from('99991231235959Z')]);
    expect(der.readAll(bytes, readTime).toISOString()).toBe('9999-12-31T23:59:59.000Z');
  });
});
