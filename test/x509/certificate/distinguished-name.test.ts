import { describe, expect, it } from 'vitest';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import {
  ATTRIBUTE,
  decodeName,
  findAttribute,
  formatName,
  namesEqual,
  parseName,
  shownName,
} from '../../../src/x509/certificate/distinguished-name.ts';
import { type Attribute, name, writeCertificate } from '../certificate-factory.ts';
import { corpus, readCorpus } from '../corpora.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const cn = (text: string): Attribute => [ATTRIBUTE.commonName, der.utf8(text)];
const ou = (text: string): Attribute => [ATTRIBUTE.organizationalUnitName, der.utf8(text)];
const decoded = (...rdns: readonly (readonly Attribute[])[]) => decodeName(name(...rdns));

describe('an RFC 4514 string', () => {
  const acme = decoded(
    [['2.5.4.6', der.printable('GB')]],
    [['2.5.4.10', der.utf8('Acme')]],
    [['2.5.4.97', der.utf8('PSDGB-FCA-123')]],
    [cn('acme')],
  );

  it('is written in reverse order, with organizationIdentifier by name or strictly in hexadecimal', () => {
    expect(formatName(acme)).toBe('CN=acme,organizationIdentifier=PSDGB-FCA-123,O=Acme,C=GB');
    expect(formatName(acme, 'strict')).toBe('CN=acme,2.5.4.97=#0c0d50534447422d4643412d313233,O=Acme,C=GB');
  });

  it.each([
    'CN=acme,organizationIdentifier=PSDGB-FCA-123,O=Acme,C=GB',
    'CN=acme,2.5.4.97=#0c0d50534447422d4643412d313233,O=Acme,C=GB',
    'CN=acme,2.5.4.97=#130d50534447422d4643412d313233,O=Acme,C=GB',
    'cn=ACME, OID.2.5.4.97 = psdgb-fca-123 , o=  Acme,  countryName=gb',
    'commonName=acme,oid.2.5.4.97=PSDGB-FCA-123,organizationName=Acme,C=GB',
    '2.5.4.3=acme,ORGANIZATIONIDENTIFIER=PSDGB\\2DFCA-123,O=\\41cme,C=GB',
  ])('E6: reads %s as the same name', (text) => {
    expect(namesEqual(parseName(text), acme)).toBe(true);
  });

  it.each([
    ['E4: reversed order', 'C=GB,O=Acme,organizationIdentifier=PSDGB-FCA-123,CN=acme'],
    ['E4: one RDN more', 'CN=acme,organizationIdentifier=PSDGB-FCA-123,O=Acme,O=Acme,C=GB'],
    ['E4: one RDN less', 'CN=acme,O=Acme,C=GB'],
    ['E4: swapped types', 'O=acme,organizationIdentifier=PSDGB-FCA-123,CN=Acme,C=GB'],
    ['E3: one RDN of two attributes', 'CN=acme+organizationIdentifier=PSDGB-FCA-123,O=Acme,C=GB'],
    ['another text', 'CN=acme2,organizationIdentifier=PSDGB-FCA-123,O=Acme,C=GB'],
  ])('%s is another name (RFC 5280 section 7.1)', (_what, text) => {
    expect(namesEqual(parseName(text), acme)).toBe(false);
  });

  it('E1: keeps separators inside a value inside it', () => {
    const hostile = decoded([cn('acme,2.5.4.97=PSDGB-FCA-123,O=Acme')]);
    expect(formatName(hostile)).toBe('CN=acme\\,2.5.4.97=PSDGB-FCA-123\\,O=Acme');
    expect(namesEqual(parseName(formatName(hostile)), hostile)).toBe(true);
    expect(namesEqual(parseName('CN=acme,2.5.4.97=PSDGB-FCA-123,O=Acme'), hostile)).toBe(false);
  });

  it('E2: writes what a reader cannot see as hexadecimal pairs', () => {
    const hostile = decoded([cn('x\nO=Acme\r\nC=GB\0\u202eevil\u2028')]);
    expect(formatName(hostile)).toBe('CN=x\\0AO=Acme\\0D\\0AC=GB\\00\\E2\\80\\AEevil\\E2\\80\\A8');
    expect(namesEqual(parseName(formatName(hostile)), hostile)).toBe(true);
    expect(namesEqual(parseName('CN=x'), hostile)).toBe(false);
  });

  it('E2: refuses a name of more than 4 kB, and a string of more than 16 kB, before they are formatted', () => {
    const long = (octets: number) => outcomeOf(() => decoded([cn('\u200b'.repeat(octets / 3))]));
    expect(long(3_900)).toBe('accepted');
    for (const octets of [4_200, 60_000]) expect(long(octets)).toBe('ERR_NAME_MALFORMED');
    expect(outcomeOf(() => parseName(`CN=${'a'.repeat(17_000)}`))).toBe('ERR_NAME_MALFORMED');
    const subject = name([cn('\u200b'.repeat(20_000))]);
    expect(outcomeOf(() => parseCertificate(writeCertificate({ subject })))).toBe('ERR_CERT_MALFORMED');
  });

  it('E2: shows at most 512 characters of a name, and 128 of a value, cut before they are formatted', () => {
    const many = decoded(...Array.from({ length: 60 }, () => [cn('a'.repeat(40))]));
    expect(shownName(many)).toHaveLength(513);
    expect(shownName(decoded([cn('a'.repeat(1_000)), ou('b')]))).toBe(`CN=${'a'.repeat(128)}…+OU=b`);
    expect(shownName(decoded([cn('\u200b'.repeat(1_000))]))).toHaveLength(513);
    expect(shownName(decoded([[ATTRIBUTE.commonName, der.octetString(Buffer.alloc(3_000))]]))).toHaveLength(
      260,
    );
    const usual = decoded([cn('acme'), ou('x')]);
    expect(shownName(usual)).toBe(formatName(usual));
  });

  it('E3: tells a multi-valued RDN from two RDNs and from a plus sign in a text', () => {
    const together = decoded([cn('a'), ou('x')]);
    const apart = decoded([cn('a')], [ou('x')]);
    const text = decoded([cn('a+OU=x')]);
    expect([together, apart, text].map((one) => formatName(one))).toEqual([
      'CN=a+OU=x',
      'OU=x,CN=a',
      'CN=a\\+OU=x',
    ]);
    expect(namesEqual(parseName('OU=x+CN=a'), together)).toBe(true);
    for (const other of [apart, text]) expect(namesEqual(together, other)).toBe(false);
    expect(namesEqual(apart, text)).toBe(false);
  });

  it.each([
    ['leading space', ' a', 'CN=\\ a'],
    ['trailing space', 'a ', 'CN=a\\ '],
    ['one space', ' ', 'CN=\\ '],
    ['number sign', '#a', 'CN=\\#a'],
    ['quote, backslash, angle brackets, semicolon', '"\\<>;', 'CN=\\"\\\\\\<\\>\\;'],
    ['empty', '', 'CN='],
    ['umlaut', 'Vähittäis Oyj', 'CN=Vähittäis Oyj'],
    ['beyond the basic plane', '𝐀', 'CN=𝐀'],
  ])('escapes and reads back: %s (RFC 4514 section 2.4)', (_what, value, written) => {
    const one = decoded([cn(value)]);
    expect(formatName(one)).toBe(written);
    expect(findAttribute(parseName(written), ATTRIBUTE.commonName)).toEqual([value]);
  });

  it.each([
    ['no type', '=a'],
    ['no value sign', 'CN'],
    ['an unknown type', 'foo=a'],
    ['a bad dotted type', '2.5.04.3=a'],
    ['a trailing comma', 'CN=a,'],
    ['an empty RDN', 'CN=a,,O=b'],
    ['a trailing plus', 'CN=a+'],
    ['a raw quote', 'CN="a"'],
    ['a raw semicolon', 'CN=a;O=b'],
    ['a raw NUL', 'CN=a\0'],
    ['an unknown escape', 'CN=\\x'],
    ['an escape at the end', 'CN=a\\'],
    ['escaped octets that are not UTF-8', 'CN=\\ff'],
    ['half a surrogate pair', 'CN=\ud800'],
    ['odd hexadecimal', 'CN=#0c1'],
    ['hexadecimal that is not DER', 'CN=#0c02aa'],
    ['bytes after the hexadecimal value', 'CN=#0c016100'],
    ['text after the hexadecimal value', 'CN=#0c0161x'],
    ['an empty hexadecimal value', 'CN=#'],
  ])('is refused with %s', (_what, text) => {
    expect(outcomeOf(() => parseName(text))).toBe('ERR_NAME_MALFORMED');
  });

  it('is empty for the empty name', () => {
    expect(formatName(decoded())).toBe('');
    expect(parseName('').rdns).toEqual([]);
  });
});

describe('comparison of names (RFC 5280 section 7.1)', () => {
  const same: readonly (readonly [string, Buffer, Buffer, boolean])[] = [
    ['case', der.utf8('ACME'), der.utf8('acme'), true],
    ['inner and outer spaces', der.utf8('  a   b '), der.utf8('a b'), true],
    ['PrintableString and UTF8String', der.printable('Acme'), der.utf8('acme'), true],
    ['BMPString and UTF8String', der.bmp('Åcme'), der.utf8('Åcme'), true],
    ['full-width letters', der.utf8('Ａcme'), der.utf8('Acme'), true],
    ['the Kelvin sign', der.utf8('\u212a'), der.utf8('k'), true],
    ['a tab', der.utf8('a\tb'), der.utf8('a b'), false],
    ['TeletexString and UTF8String', der.teletex('Acme'), der.utf8('Acme'), false],
    ['two TeletexStrings', der.teletex('Acme'), der.teletex('Acme'), true],
    ['NUL', der.utf8('acme\0'), der.utf8('acme'), false],
    ['a text and its hexadecimal digits', der.utf8('0500'), der.nothing, false],
  ];

  it.each(same)('E5: %s', (_what, a, b, expected) => {
    const [one, other] = [a, b].map((value) => decoded([[ATTRIBUTE.commonName, value]]));
    expect(one !== undefined && other !== undefined && namesEqual(one, other)).toBe(expected);
  });

  it('does not confuse the keys of a multi-valued RDN with those of a single one', () => {
    const single = decoded([cn('a","2.5.4.11=x')]);
    expect(namesEqual(single, decoded([cn('a'), ou('x')]))).toBe(false);
  });

  it('finds every value of a type: two organizationIdentifiers are both there (E11)', () => {
    const two = parseName('organizationIdentifier=PSDGB-FCA-1,organizationIdentifier=PSDGB-FCA-2,C=GB');
    expect(findAttribute(two, ATTRIBUTE.organizationIdentifier)).toEqual(['PSDGB-FCA-2', 'PSDGB-FCA-1']);
  });
});

const names = corpus('name-match');
describe.skipIf(names.isMissing)(`BoringSSL's names: ${names.title}`, () => {
  const read = (file: string): Buffer => {
    const block = /-----BEGIN NAME-----([\s\S]+?)-----END NAME-----/.exec(
      readCorpus('name-match', `${file}.pem`),
    );
    return Buffer.from(block?.[1] ?? '', 'base64');
  };
  const parsed = (file: string) => decodeName(read(file));
  const types = ['PRINTABLESTRING', 'UTF8', 'BMPSTRING', 'UNIVERSALSTRING', 'T61STRING'];
  const manglings = ['unmangled', 'case_swap', 'extra_whitespace'];
  const all = types.flatMap((type) =>
    manglings.map((mangling) => ({ type, mangling, file: `ascii-${type}-${mangling}` })),
  );

  it('match across string types, case and white space, except TeletexString, which equals only itself', () => {
    for (const a of all) {
      for (const b of all) {
        const isOpaque = a.type === 'T61STRING' || b.type === 'T61STRING';
        const expected = isOpaque ? a.file === b.file : true;
        expect([a.file, b.file, namesEqual(parsed(a.file), parsed(b.file))]).toEqual([
          a.file,
          b.file,
          expected,
        ]);
      }
    }
  });

  it.each(['extra_attr', 'dupe_attr', 'extra_rdn'])('do not match with %s', (change) => {
    for (const { file } of all) {
      expect(namesEqual(parsed(file), parsed(`${file}-${change}`))).toBe(false);
      expect(namesEqual(parsed(`${file}-${change}`), parsed(file))).toBe(false);
    }
  });

  it.each([
    ['ascii-PRINTABLESTRING-rdn_sorting_1', 'ascii-PRINTABLESTRING-rdn_sorting_2'],
    ['ascii-mixed-rdn_dupetype_sorting_1', 'ascii-mixed-rdn_dupetype_sorting_2'],
    ['unicode_bmp-BMPSTRING-unmangled', 'unicode_bmp-UTF8-unmangled'],
    ['unicode_bmp-UNIVERSALSTRING-unmangled', 'unicode_bmp-UTF8-unmangled'],
    ['unicode_supplementary-UNIVERSALSTRING-unmangled', 'unicode_supplementary-UTF8-unmangled'],
    ['unicode-mixed-unnormalized', 'unicode-mixed-normalized'],
    ['custom-custom-normalized', 'custom-custom-normalized'],
  ])('match: %s and %s', (a, b) => {
    expect(namesEqual(parsed(a), parsed(b))).toBe(true);
  });

  it.each([
    'invalid-AttributeTypeAndValue-badAttributeType',
    'invalid-AttributeTypeAndValue-empty',
    'invalid-AttributeTypeAndValue-extradata',
    'invalid-AttributeTypeAndValue-onlyOneElement',
    'invalid-AttributeTypeAndValue-setNotSequence',
    'invalid-Name-setInsteadOfSequence',
    'invalid-RDN-empty',
    'invalid-RDN-sequenceInsteadOfSet',
  ])('refuse %s', (file) => {
    expect(outcomeOf(() => parsed(file))).toBe('ERR_NAME_MALFORMED');
  });

  it.each(['valid-Name-empty', 'valid-minimal'])('read %s', (file) => {
    expect(outcomeOf(() => parsed(file))).toBe('accepted');
  });
});

const uk = corpus('uk-directory');
describe.skipIf(uk.isMissing)(`the string of a real certificate: ${uk.title}`, () => {
  it('is the one computed beforehand, strict and readable', () => {
    const pem = readCorpus('uk-directory', 'obwac.pem').replace(/-----[^-]+-----|\s/g, '');
    const { subject } = parseCertificate(Buffer.from(pem, 'base64'));
    const strict =
      'CN=0015800001HQQrZAAX,2.5.4.97=#132250534447422d4f422d556e6b6e6f776e30303135383030303031485151725a414158,' +
      'O=WSO2 (UK) LIMITED,C=GB';
    const readable =
      'CN=0015800001HQQrZAAX,organizationIdentifier=PSDGB-OB-Unknown0015800001HQQrZAAX,O=WSO2 (UK) LIMITED,C=GB';
    expect(formatName(subject, 'strict')).toBe(strict);
    expect(formatName(subject)).toBe(readable);
    for (const text of [strict, readable]) expect(namesEqual(parseName(text), subject)).toBe(true);
  });
});

it('refuses a certificate whose name does not decode (RFC 5280 section 4.1.2.4)', () => {
  const broken = name([[ATTRIBUTE.commonName, der.tlv(0x0c, Buffer.from([0xff]))]]);
  expect(outcomeOf(() => parseCertificate(writeCertificate({ subject: broken })))).toBe('ERR_CERT_MALFORMED');
});
