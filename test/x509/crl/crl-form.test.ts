import { describe, expect, it } from 'vitest';
import { indexCrl } from '../../../src/x509/crl/crl.ts';
import * as factory from '../certificate-factory.ts';
import { general, issue } from '../certificate-factory.ts';
import * as lists from './crl-factory.ts';
import { entry, point, writeCrl } from './crl-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const issuer = issue('authority', 'issuing');
const written = (options: Partial<lists.CrlFactoryOptions> = {}): Buffer => writeCrl({ issuer, ...options });
const verdict = (bytes: Uint8Array) => outcomeOf(() => indexCrl(bytes));
const none = Buffer.alloc(0);

type Raw = NonNullable<lists.CrlFactoryOptions['raw']>;
const raw = (fields: Raw): Buffer => written({ raw: fields });
const extensions = (...list: Buffer[]): Buffer => written({ extensions: list });
const entries = (...list: Buffer[]): Buffer => written({ entries: list });
const ascii = (tag: number, text: string): Buffer => der.tlv(tag, Buffer.from(text));
const serial = der.integer(5);
const date = der.time(lists.REVOKED_AT);
const withExtension = (value: Buffer): Buffer => entries(der.sequence(serial, date, der.sequence(value)));
const idp = (...parts: Buffer[]): Buffer => extensions(lists.issuingPoint(...parts));
const inOid = (id: Buffer, ...rest: Buffer[]): Buffer => withExtension(der.sequence(id, ...rest));
const oid = der.oid('1.2.3');
const value = der.octetString(der.nothing);
const uri = general.uri('http://ca.example/x');

/** Each row beside its valid twin. */
type Form = readonly [what: string, bytes: () => Buffer, twin?: () => Buffer];

const LIST: readonly Form[] = [
  ['bytes after the end', () => Buffer.concat([written(), none, Buffer.from([0])])],
  ['a field after the signature', () => raw({ afterSignature: der.nothing })],
  ['a field after the extensions', () => raw({ after: der.nothing })],
  ['cut off', () => written().subarray(0, -1)],
  [
    'version 1 written out',
    () => raw({ version: der.integer(0), extensions: none }),
    () => raw({ extensions: none }),
  ],
  ['version 3', () => raw({ version: der.integer(2) }), () => raw({ version: der.integer(1) })],
  ['extensions in version 1', () => raw({ version: none }), () => raw({ version: none, extensions: none })],
  [
    'extensions of an entry in version 1',
    () =>
      written({ entries: [entry({ serial: '05', reason: 1 })], raw: { version: none, extensions: none } }),
    () => written({ entries: [entry({ serial: '05' })], raw: { version: none, extensions: none } }),
  ],
  ['another algorithm outside', () => raw({ outerAlgorithm: factory.ecdsaSigner('sha384').algorithm })],
  ['an issuer without a name', () => raw({ issuer: der.sequence() })],
  ['no date', () => raw({ thisUpdate: none, nextUpdate: none })],
  ['30 February', () => raw({ thisUpdate: ascii(0x17, '260230000000Z') })],
  ['a date without seconds', () => raw({ nextUpdate: ascii(0x17, '2612310000Z') })],
  ['an empty list of extensions', () => raw({ extensions: der.context(0, der.sequence()) })],
  [
    'two lists of extensions',
    () => raw({ extensions: der.context(0, der.sequence(lists.crlNumber(1)), der.nothing) }),
  ],
  [
    'a signature that is no whole number of octets',
    () => raw({ signature: () => der.bitString(Buffer.from([2]), 1) }),
  ],
  [
    'a length that is not minimal',
    () => Buffer.concat([Buffer.from('3083', 'hex'), Buffer.from([0]), written().subarray(2)]),
  ],
];

const EXTENSIONS: readonly Form[] = [
  [
    'an extension twice',
    () => extensions(lists.crlNumber(1), lists.crlNumber(1)),
    () => extensions(lists.crlNumber(1)),
  ],
  ['a negative number', () => extensions(factory.extension('2.5.29.20', der.tlv(2, Buffer.from([0xff]))))],
  [
    'a number of more than twenty octets',
    () => extensions(factory.extension('2.5.29.20', der.integer(2n ** 168n))),
    () => extensions(factory.extension('2.5.29.20', der.integer(2n ** 160n - 1n))),
  ],
  ['an empty issuing distribution point', () => idp(), () => idp(point.onlyUser)],
  ['users only and authorities only', () => idp(point.onlyUser, point.onlyCa), () => idp(point.onlyCa)],
  [
    'fields out of order',
    () => idp(point.indirect, point.onlyUser),
    () => idp(point.onlyUser, point.indirect),
  ],
  [
    'a name that is no choice',
    () => idp(der.context(0, der.context(0, uri), der.nothing)),
    () => idp(der.context(0, der.context(0, uri))),
  ],
  ['a name that is empty', () => idp(der.context(0, der.context(0)))],
  ['a relative name that is none', () => idp(der.context(0, der.context(1, der.nothing)))],
  ['a freshest point that is none', () => extensions(lists.freshest(der.sequence()))],
  ['a key identifier that is none', () => extensions(factory.extension('2.5.29.35', der.nothing))],
];

const ENTRIES: readonly Form[] = [
  ['without a serial number', () => entries(der.sequence(date)), () => entries(der.sequence(serial, date))],
  ['without a date', () => entries(der.sequence(serial))],
  ['that is no sequence', () => entries(der.set(serial, date))],
  ['with an empty serial number', () => entries(der.sequence(der.tlv(2), date))],
  [
    'with a serial number that is padded (F9)',
    () => entries(der.sequence(der.tlv(2, Buffer.from([0, 5])), date)),
    () => entries(der.sequence(der.tlv(2, Buffer.from([0, 0x85])), date)),
  ],
  [
    'with a negative serial number that is padded',
    () => entries(der.sequence(der.tlv(2, Buffer.from([0xff, 0x85])), date)),
    () => entries(der.sequence(der.tlv(2, Buffer.from([0x85])), date)),
  ],
  ['dated 32 May', () => entries(der.sequence(serial, ascii(0x17, '260532000000Z')))],
  ['dated without Z', () => entries(der.sequence(serial, ascii(0x17, '2605310000000')))],
  ['with a field after the date', () => entries(der.sequence(serial, date, der.nothing))],
  [
    'with a field after its extensions',
    () => entries(der.sequence(serial, date, der.sequence(lists.reasonCode(1)), der.nothing)),
  ],
  ['with no extension in the list of them', () => entries(der.sequence(serial, date, der.sequence()))],
  ['with reason 7', () => withExtension(lists.reasonCode(7)), () => withExtension(lists.reasonCode(8))],
  ['with reason 11', () => withExtension(lists.reasonCode(11)), () => withExtension(lists.reasonCode(10))],
  ['with a reason that is an INTEGER', () => withExtension(factory.extension('2.5.29.21', der.integer(1)))],
  [
    'with a reason twice',
    () => entries(entry({ serial: '05', reason: 1, extra: [lists.reasonCode(1)] })),
    () => entries(entry({ serial: '05', reason: 1, extra: [lists.invalidityDate('20260101000000Z')] })),
  ],
  [
    'with an unknown extension twice',
    () => entries(entry({ serial: '05', extra: [der.sequence(oid, value), der.sequence(oid, value)] })),
    () => entries(entry({ serial: '05', extra: [der.sequence(oid, value)] })),
  ],
  ['with an issuer that is no name', () => withExtension(factory.extension('2.5.29.29', der.nothing, true))],
  [
    'with an identifier that is cut off',
    () => inOid(Buffer.from('060280ff', 'hex'), value),
    () => inOid(oid, value),
  ],
  ['with critical TRUE as 01', () => inOid(oid, der.tlv(1, Buffer.from([1])), value)],
  ['with an extension without a value', () => inOid(oid)],
  ['with a field after the value', () => inOid(oid, value, der.nothing)],
  [
    'in a length that is not minimal',
    () => entries(Buffer.concat([Buffer.from('3081', 'hex'), der.sequence(serial, date).subarray(1)])),
    () => entries(entry({ serial: '05', extra: [der.sequence(oid, der.octetString(Buffer.alloc(200)))] })),
  ],
  [
    'whose date runs past it',
    () => entries(Buffer.concat([Buffer.from([0x30, 17]), serial, date])),
    () => entries(Buffer.concat([Buffer.from([0x30, 18]), serial, date])),
  ],
  [
    'with another entry in it',
    () => entries(der.sequence(serial, date, der.sequence(lists.reasonCode(1)), der.sequence(serial, date))),
    () => entries(der.sequence(serial, date, der.sequence(lists.reasonCode(1))), der.sequence(serial, date)),
  ],
  ['that runs past the list', () => raw({ entries: der.sequence(Buffer.from('3013020105', 'hex'), date) })],
];

const asRow = ([what, bytes, twin]: Form) => ({ what, bytes, twin });

describe('a CRL is refused (RFC 5280 section 5.1)', () => {
  it.each(LIST.map(asRow))('$what', ({ bytes, twin }) => {
    expect(verdict(twin?.() ?? written())).toBe('accepted');
    expect(verdict(bytes())).toBe('ERR_CRL_MALFORMED');
  });

  it('F10: of more than 100 MB, before a byte is read', () => {
    const details = { problem: 'longer than 100000000 bytes' };
    expect(() => indexCrl(new Uint8Array(100_000_001))).toThrow(expect.objectContaining({ details }));
  });
});

describe('an extension of a CRL is refused (RFC 5280 section 5.2)', () => {
  it.each(EXTENSIONS.map(asRow))('F6: $what', ({ bytes, twin }) => {
    expect(verdict(twin?.() ?? written())).toBe('accepted');
    expect(verdict(bytes())).toBe('ERR_CRL_MALFORMED');
  });
});

describe('an entry is refused, and the list with it (RFC 5280 section 5.1.2.6, 5.3)', () => {
  it.each(ENTRIES.map(asRow))('$what', ({ bytes, twin }) => {
    expect(verdict(twin?.() ?? entries(entry({ serial: '05', reason: 1 })))).toBe('accepted');
    expect(verdict(bytes())).toBe('ERR_CRL_MALFORMED');
  });
});
