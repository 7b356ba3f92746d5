import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import * as factory from '../certificate-factory.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const ca = factory.issue('authority', 'ca');
const rsaCa = factory.issue('authority', 'ca', { keys: factory.rsaKeys() });
const write = (options: factory.CertificateOptions = {}): Buffer =>
  factory.writeCertificate({ issuer: ca, ...options });
const raw = (fields: NonNullable<factory.CertificateOptions['raw']>): Buffer => write({ raw: fields });
const verdict = (bytes: Uint8Array) => outcomeOf(() => parseCertificate(bytes));
const good = write();
const ascii = (tag: number, text: string): Buffer => der.tlv(tag, Buffer.from(text));
const validity = (notBefore: Buffer, notAfter = factory.NOT_AFTER): Buffer =>
  der.sequence(notBefore, der.time(notAfter));

/** The bytes of `good` with one part of them replaced, lengths untouched. */
function patched(from: Buffer | string, to: Buffer | string, bytes = good): Buffer {
  const [wanted, put] = [from, to].map((part) =>
    typeof part === 'string' ? Buffer.from(part, 'hex') : part,
  );
  if (wanted === undefined || put === undefined || wanted.length !== put.length)
    throw new Error('not a patch');
  const at = bytes.indexOf(wanted);
  if (at < 0) throw new Error('nothing to patch');
  return Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + wanted.length)]);
}

describe('the form of a certificate', () => {
  const subjectKey = factory.ecKeys();
  const spki = subjectKey.publicKey.export({ type: 'spki', format: 'der' });
  const point = spki.subarray(-65);
  const ec = (parameters: Buffer, octets: Buffer): Buffer =>
    der.sequence(der.sequence(der.oid('1.2.840.10045.2.1'), parameters), der.bitString(octets));
  const signed = (signer: factory.Signer): Buffer => factory.writeCertificate({ issuer: rsaCa, signer });
  const modulus = der.integer(2n ** 2047n + 1n);
  const rsaWith = (parameters: Buffer, number: Buffer): Buffer =>
    der.sequence(
      der.sequence(der.oid('1.2.840.113549.1.1.1'), parameters),
      der.bitString(der.sequence(number, der.integer(65_537))),
    );
  const rsa = (...after: readonly Buffer[]): Buffer =>
    der.sequence(
      der.sequence(der.oid('1.2.840.113549.1.1.1'), der.nothing),
      der.bitString(der.sequence(der.integer(2n ** 2047n + 1n), der.integer(65_537), ...after)),
    );
  const p256 = der.oid('1.2.840.10045.3.1.7');
  const explicit = der.sequence(der.integer(1), der.sequence(der.oid('1.2.840.10045.1.1'), der.integer(23)));
  const critical = factory.extension('1.2.3.4', der.nothing, true);
  const wrapped = (list: Buffer[]): Buffer => der.context(3, der.sequence(...list));
  const keyUsage = factory.keyUsage(factory.KEY_USAGE.digitalSignature);
  const v1 = { version: Buffer.alloc(0), extensions: Buffer.alloc(0) };

  /** Each row beside its valid twin, which differs in nothing else. */
  const rows: readonly (readonly [id: string, what: string, bytes: () => Buffer, twin?: () => Buffer])[] = [
    ['D2', 'UTCTime without seconds', () => raw({ validity: validity(ascii(0x17, '2601010000Z')) })],
    ['D2', 'UTCTime without Z', () => raw({ validity: validity(ascii(0x17, '260101000000')) })],
    ['D2', 'UTCTime with an offset', () => raw({ validity: validity(ascii(0x17, '260101000000+0100')) })],
    ['D2', 'a fraction of a second', () => raw({ validity: validity(ascii(0x18, '20510101000000.5Z')) })],
    ['D2', '24:00', () => raw({ validity: validity(ascii(0x17, '260101240000Z')) })],
    ['D2', '30 February', () => raw({ validity: validity(ascii(0x17, '260230000000Z')) })],
    ['D2', 'year 0000', () => raw({ validity: validity(ascii(0x18, '00000101000000Z')) })],
    [
      'D9',
      'an extension twice',
      () => raw({ extensions: wrapped([keyUsage, keyUsage]) }),
      () => raw({ extensions: wrapped([keyUsage]) }),
    ],
    [
      'D9',
      'the same extension critical and not',
      () => raw({ extensions: wrapped([critical, factory.extension('1.2.3.4', der.nothing)]) }),
      () => raw({ extensions: wrapped([critical, factory.extension('1.2.3.5', der.nothing)]) }),
    ],
    [
      'D18',
      'another outer algorithm',
      () => raw({ outerAlgorithm: factory.ecdsaSigner('sha384').algorithm }),
    ],
    [
      'D18',
      'NULL after the outer algorithm',
      () => raw({ outerAlgorithm: factory.ecdsaSigner('sha256', der.nothing).algorithm }),
    ],
    ['D18', 'NULL after both', () => write({ signer: factory.ecdsaSigner('sha256', der.nothing) })],
    [
      'D20',
      'explicit curve parameters',
      () => raw({ publicKey: ec(explicit, point) }),
      () => raw({ publicKey: ec(p256, point) }),
    ],
    [
      'D20',
      'a compressed point',
      () =>
        raw({
          publicKey: ec(
            p256,
            Buffer.concat([Buffer.from([2 + ((point[64] ?? 0) & 1)]), point.subarray(1, 33)]),
          ),
        }),
    ],
    [
      'D20',
      'a hybrid point',
      () =>
        raw({
          publicKey: ec(p256, Buffer.concat([Buffer.from([6 + ((point[64] ?? 0) & 1)]), point.subarray(1)])),
        }),
    ],
    ['D20', 'the point at infinity', () => raw({ publicKey: ec(p256, Buffer.from([0])) })],
    [
      'D20',
      'a point off the curve',
      () =>
        raw({
          publicKey: ec(p256, Buffer.concat([point.subarray(0, 64), Buffer.from([(point[64] ?? 0) ^ 1])])),
        }),
    ],
    ['D23', 'a negative serial number', () => raw({ serial: der.tlv(2, Buffer.from([0x80])) })],
    [
      'D23',
      'serial number zero',
      () => raw({ serial: der.integer(0) }),
      () => raw({ serial: der.integer(1) }),
    ],
    [
      'D23',
      'a serial number of 21 octets',
      () => raw({ serial: der.tlv(2, Buffer.alloc(21, 1)) }),
      () => raw({ serial: der.tlv(2, Buffer.alloc(20, 1)) }),
    ],
    ['D23', 'a serial number with leading zeros', () => raw({ serial: der.tlv(2, Buffer.from([0, 0, 1])) })],
    ['D24', 'bytes after the end', () => Buffer.concat([good, Buffer.from([0])])],
    ['D24', 'an element after the signature', () => der.sequence(good.subarray(4), der.nothing)],
    [
      'D24',
      'an indefinite length',
      () => Buffer.concat([Buffer.from([0x30, 0x80]), good.subarray(4), Buffer.from([0, 0])]),
    ],
    [
      'D24',
      'a length that is not minimal',
      () => Buffer.concat([Buffer.from([0x30, 0x83, 0]), good.subarray(2)]),
    ],
    ['D24', 'a BOOLEAN of 0x01', () => patched('0101ff', '010101')],
    [
      'D24',
      'a default that is written',
      () => write({ extensions: [der.sequence(der.oid('1.2.3'), der.boolean(false), der.octetString())] }),
    ],
    [
      'D24',
      'an unused bit that is set',
      () => write({ extensions: [factory.extension('2.5.29.15', der.bitString(Buffer.from([0x81]), 7))] }),
    ],
    [
      'D24',
      'a constructed string',
      () => write({ extensions: [der.sequence(der.oid('1.2.3'), der.tlv(0x24, der.octetString()))] }),
    ],
    [
      'D24',
      'a signature with unused bits',
      () =>
        raw({
          signature: (right) =>
            Buffer.concat([right.subarray(0, 2), Buffer.from([1]), right.subarray(3, -1), Buffer.from([0])]),
        }),
    ],
    [
      'D24',
      'an object identifier of 90 kB',
      () => write({ extensions: [der.sequence(der.tlv(6, Buffer.alloc(90_000, 0x81)), der.octetString())] }),
    ],
    [
      'D24',
      'an object identifier of 100 octets',
      () =>
        write({
          extensions: [
            der.sequence(
              der.tlv(6, Buffer.concat([Buffer.alloc(99, 0x81), Buffer.from([1])])),
              der.octetString(),
            ),
          ],
        }),
    ],
    ['D24', '5000 levels in place of a name', () => raw({ issuer: nested(5000) })],
    ['D25', 'extensions in version 1', () => raw({ version: Buffer.alloc(0) })],
    ['D25', 'extensions in version 2', () => raw({ version: der.context(0, der.integer(1)) })],
    [
      'D25',
      'version 1 that is written',
      () => raw({ ...v1, version: der.context(0, der.integer(0)) }),
      () => raw(v1),
    ],
    ['D25', 'version 4', () => raw({ version: der.context(0, der.integer(3)) })],
    ['D26', 'an empty issuer', () => raw({ issuer: der.sequence() })],
    [
      'D26',
      'an empty subject without a critical subjectAltName',
      () =>
        write({
          subject: der.sequence(),
          extensions: [factory.subjectAltName(factory.general.dns('a.example'))],
        }),
      () =>
        write({
          subject: der.sequence(),
          extensions: [factory.extension('2.5.29.17', der.sequence(factory.general.dns('a.example')), true)],
        }),
    ],
    [
      'D26',
      'an authority with an empty subject',
      () =>
        write({
          subject: der.sequence(),
          extensions: [
            factory.basicConstraints(true),
            factory.extension('2.5.29.17', der.sequence(factory.general.dns('a.example')), true),
          ],
        }),
    ],
    ['§4.2.1.6', 'an empty subjectAltName', () => write({ extensions: [factory.subjectAltName()] })],
    [
      '§4.2.1.3',
      'a keyUsage without a bit',
      () => write({ extensions: [factory.extension('2.5.29.15', der.bitString(Buffer.alloc(0)))] }),
    ],
    ['§4.2.1.4', 'a policy twice', () => write({ extensions: [factory.policies('1.2.3', '1.2.3')] })],
    ['§4.2.1.10', 'empty nameConstraints', () => write({ extensions: [factory.nameConstraints({})] })],
    [
      '§4.2.1.13',
      'a distribution point that names nothing',
      () => write({ extensions: [factory.extension('2.5.29.31', der.sequence(der.sequence()))] }),
    ],
    [
      '§4.2.1.9',
      'bytes after an extension value',
      () =>
        write({ extensions: [factory.extension('2.5.29.19', Buffer.concat([der.sequence(), der.nothing]))] }),
    ],
    ['§4.1', 'an empty list of extensions', () => raw({ extensions: wrapped([]) })],
    [
      '§4.1',
      'more than 64 kB',
      () => write({ extensions: [factory.extension('1.2.3', der.octetString(Buffer.alloc(66_000)))] }),
    ],
    [
      'D25',
      'a unique identifier in version 1',
      () => raw({ ...v1, extensions: der.field(1, Buffer.from([0, 1])) }),
      () => raw({ version: der.context(0, der.integer(1)), extensions: der.field(1, Buffer.from([3, 8])) }),
    ],
    [
      '§4.2.1.3',
      'a keyUsage bit that is unknown',
      () => write({ extensions: [factory.keyUsage(0, 9)] }),
      () => write({ extensions: [factory.keyUsage(0, 8)] }),
    ],
    [
      '§4.2.1.11',
      'empty policyConstraints',
      () => write({ extensions: [factory.extension('2.5.29.36', der.sequence())] }),
    ],
    ['RFC 3279', 'an RSA key without NULL', () => raw({ publicKey: rsaWith(Buffer.alloc(0), modulus) })],
    [
      'RFC 3279',
      'a negative modulus',
      () => raw({ publicKey: rsaWith(der.nothing, der.tlv(2, Buffer.alloc(256, 0x81))) }),
    ],
    [
      'RFC 4055',
      'a parameter of an RSA signature',
      () => signed(factory.rsaSigner('sha256', der.integer(1))),
      () => signed(factory.rsaSigner()),
    ],
    [
      'RFC 4055',
      'a parameter of a PSS hash',
      () => signed(factory.pssSigner('sha256', 32, { hashParameters: der.integer(1) })),
      () => signed(factory.pssSigner('sha256', 32)),
    ],
    [
      'RFC 4055',
      'another mask than MGF1',
      () => signed(factory.pssSigner('sha256', 32, { generator: '1.2.3' })),
    ],
    [
      'RFC 3279',
      'an RSA key with something after the exponent',
      () => raw({ publicKey: rsa(der.nothing) }),
      () => raw({ publicKey: rsa() }),
    ],
  ];

  const cases = rows.map(([id, what, bytes, twin]) => ({ id, what, bytes, twin: twin ?? (() => good) }));

  it.each(cases)('$id: $what is malformed', ({ bytes, twin }) => {
    expect(verdict(bytes())).toBe('ERR_CERT_MALFORMED');
    expect(verdict(twin())).toBe('accepted');
  });

  it.each([
    ['D24', 'tag number above 30', '1f8101'],
    ['D24', 'end-of-contents octets', '0000'],
    ['D24', 'nothing', ''],
    ['D24', 'a length without octets', '3082'],
  ])('%s: %s is malformed', (_id, _what, hex) => {
    expect(verdict(Buffer.from(hex, 'hex'))).toBe('ERR_CERT_MALFORMED');
  });
});

function nested(depth: number): Buffer {
  let bytes: Buffer = der.nothing;
  for (let level = 0; level < depth; level += 1) bytes = der.sequence(bytes);
  return bytes;
}
