import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import type { CertificateFiles, SandboxDescription } from '../../../src/sandbox/folder.ts';
import { certificateFiles, pathsOf } from '../../../src/sandbox/sandbox-paths.ts';
import { type Certificate, parseCertificate, parsePem } from '../../../src/x509/certificate/certificate.ts';
import type { SubjectProperty } from '../../../src/x509/certificate/subject-property.ts';
import * as factory from '../../x509/certificate-factory.ts';
import * as der from '../../x509/der-writer.ts';

/** Money One and Money Two of the sandbox. */
export const [NUMBER, OTHER_NUMBER] = ['PSDGB-FCA-900003', 'PSDGB-FCA-900004'];

const DAY = 86_400_000;
const TYPE = { cn: '2.5.4.3', c: '2.5.4.6', o: '2.5.4.10', ou: '2.5.4.11', id: '2.5.4.97' };
const statement = (id: string, ...info: readonly Buffer[]) => der.sequence(der.oid(id), ...info);
const role = (arc: number, name: string) => der.sequence(der.oid(`0.4.0.19495.1.${arc}`), der.utf8(name));
/** A QWAC of the Financial Conduct Authority, for account information. */
const STATEMENTS = factory.extension(
  '1.3.6.1.5.5.7.1.3',
  der.sequence(
    statement('0.4.0.1862.1.1'),
    statement('0.4.0.1862.1.6', der.sequence(der.oid('0.4.0.1862.1.6.3'))),
    statement(
      '0.4.0.19495.2',
      der.sequence(
        der.sequence(role(3, 'PSP_AI')),
        der.utf8('Financial Conduct Authority'),
        der.utf8('GB-FCA'),
      ),
    ),
  ),
);

export interface Names {
  readonly subject: Buffer;
  /** Entries of subjectAltName. */
  readonly names?: readonly Buffer[];
}

/** Issues certificates of a sandbox's CA, with names to the octet. */
export class NameIssuer {
  readonly #folder: string;
  readonly #issuer: { readonly keys: factory.Keys; readonly name: Buffer };
  readonly #points: Buffer;
  readonly #keyId: Buffer;
  readonly #keys = factory.ecKeys();

  constructor(folder: string, { revocationUrl }: Pick<SandboxDescription, 'revocationUrl'>) {
    this.#folder = folder;
    const { certificateFile, keyFile, responder } = pathsOf(folder).authority('issuing-ca');
    const privateKey = createPrivateKey(readFileSync(keyFile));
    const name = read(responder.certificateFile).issuerDer;
    this.#issuer = { keys: { privateKey, publicKey: createPublicKey(privateKey) }, name };
    this.#keyId = factory.authorityKeyId(read(certificateFile).subjectKeyIdentifier ?? Buffer.alloc(0));
    const url = factory.general.uri(`${revocationUrl}/issuing-ca.crl`);
    const point = der.sequence(der.context(0, der.context(0, url)));
    this.#points = factory.extension('2.5.29.31', der.sequence(point));
  }

  issue({ subject, names = [] }: Names): CertificateFiles {
    const files = certificateFiles(join(this.#folder, randomBytes(6).toString('hex')));
    const bytes = factory.write('end entity', {
      ...{ subject, issuer: this.#issuer, keys: this.#keys },
      notBefore: new Date(Date.now() - DAY),
      notAfter: new Date(Date.now() + DAY),
      extra: [
        STATEMENTS,
        this.#points,
        this.#keyId,
        ...(names.length === 0 ? [] : [factory.subjectAltName(...names)]),
      ],
    });
    const pem = `-----BEGIN CERTIFICATE-----\n${bytes.toString('base64').replace(/.{64}(?=.)/g, '$&\n')}\n`;
    writeFileSync(files.certificateFile, `${pem}-----END CERTIFICATE-----\n`);
    writeFileSync(files.keyFile, this.#keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    return files;
  }
}

function read(file: string): Certificate {
  return parseCertificate(parsePem(readFileSync(file, 'utf8'))[0] ?? Buffer.alloc(0));
}

/** C=GB, O=Acme, the identifier, CN=…; each value with its string type. */
export function subject({
  cn = der.utf8('acme'),
  o = der.utf8('Acme'),
  ids = [der.utf8(NUMBER)],
}: {
  readonly cn?: Buffer;
  readonly o?: Buffer;
  readonly ids?: readonly Buffer[];
} = {}): Buffer {
  return factory.name(
    [[TYPE.c, der.printable('GB')]],
    [[TYPE.o, o]],
    ...ids.map((id) => [[TYPE.id, id] as const]),
    [[TYPE.cn, cn]],
  );
}

/** The subject above as RFC 4514 writes it. */
const dn = (cn: string) => `CN=${cn},organizationIdentifier=${NUMBER},O=Acme,C=GB`;

/** `registered`: the certificate has the subject. `of another`: not this certificate. `malformed`: no certificate can. */
export type NameOutcome = 'registered' | 'of another' | 'malformed';

export interface NameRow extends Names {
  readonly title: string;
  readonly property: SubjectProperty;
  readonly value: string;
  readonly outcome: NameOutcome;
}

type DnRow = readonly [title: string, subject: Buffer, value: string, outcome: NameOutcome];
const cn = (value: Buffer) => subject({ cn: value });
const ofText = (text: string) => cn(der.utf8(text));
const lead = [
  [[TYPE.c, der.printable('GB')]],
  [[TYPE.o, der.utf8('Acme')]],
  [[TYPE.id, der.utf8(NUMBER)]],
] as const;
const A: factory.Attribute = [TYPE.cn, der.utf8('a')];
const X: factory.Attribute = [TYPE.ou, der.utf8('x')];
const joint = factory.name(...lead, [A, X]);
const apart = factory.name(...lead, [X], [A]);
const tail = `organizationIdentifier=${NUMBER},O=Acme,C=GB`;
const hex = (value: Buffer) => `#${value.toString('hex')}`;
const INJECTED = `acme,2.5.4.97=${OTHER_NUMBER},O=Other`;

const DNS: readonly DnRow[] = [
  ['a text that imitates other RDNs, unescaped (E1)', ofText(INJECTED), dn(INJECTED), 'of another'],
  [
    'a text that imitates other RDNs, escaped (E1)',
    ofText(INJECTED),
    dn(INJECTED.replace(/[,=]/g, '\\$&')),
    'registered',
  ],
  ['the name of another TPP (E1)', ofText('acme'), dn('acme').replace(NUMBER, OTHER_NUMBER), 'of another'],
  ['a NUL, cut there (E2)', ofText('acme\0.evil'), dn('acme'), 'of another'],
  ['a NUL, escaped (E2)', ofText('acme\0.evil'), dn('acme\\00.evil'), 'registered'],
  ['a NUL, raw (E2)', ofText('acme\0.evil'), dn('acme\0.evil'), 'malformed'],
  ['line breaks, left out (E2)', ofText('acme\r\nO=Other'), dn('acmeO\\=Other'), 'of another'],
  ['line breaks, escaped (E2)', ofText('acme\r\nO=Other'), dn('acme\\0D\\0AO\\=Other'), 'registered'],
  ['codes of a terminal, left out (E2)', ofText('\u001b[2Jacme'), dn('acme'), 'of another'],
  ['codes of a terminal, raw (E2)', ofText('\u001b[2Jacme'), dn('\u001b[2Jacme'), 'registered'],
  ['text from right to left, as it is shown (E2)', ofText('\u202eemca'), dn('acme'), 'of another'],
  ['text from right to left, as it is written (E2)', ofText('\u202eemca'), dn('\u202eemca'), 'registered'],
  ['a space of no width, left out (E2)', ofText('ac\u200bme'), dn('acme'), 'of another'],
  ['64 kB (E2)', ofText('acme'), dn('x'.repeat(65_000)), 'malformed'],
  ['an RDN of two attributes (E3)', joint, `CN=a+OU=x,${tail}`, 'registered'],
  ['an RDN of two attributes, the other first (E3)', joint, `OU=x+CN=a,${tail}`, 'registered'],
  ['an RDN of two attributes, apart (E3)', joint, `CN=a,OU=x,${tail}`, 'of another'],
  ['an RDN of two attributes, as text (E3)', joint, `CN=a\\+OU\\=x,${tail}`, 'of another'],
  ['two RDNs, as one (E3)', apart, `CN=a+OU=x,${tail}`, 'of another'],
  ['a text with a plus, as two attributes (E3)', ofText('a+OU=x'), `CN=a+OU=x,${tail}`, 'of another'],
  [
    'the other order (E4)',
    ofText('acme'),
    `C=GB,O=Acme,organizationIdentifier=${NUMBER},CN=acme`,
    'of another',
  ],
  ['an RDN twice (E4)', ofText('acme'), dn('acme').replace('O=Acme', 'O=Acme,O=Acme'), 'of another'],
  ['an RDN more (E4)', ofText('acme'), `OU=x,${dn('acme')}`, 'of another'],
  ['an RDN less (E4)', ofText('acme'), `CN=acme,organizationIdentifier=${NUMBER},C=GB`, 'of another'],
  ['the identifier alone (E4)', ofText('acme'), `organizationIdentifier=${NUMBER}`, 'of another'],
  ['no RDN (E4)', ofText('acme'), ' ', 'malformed'],
  ['a PrintableString (E5)', cn(der.printable('acme')), dn('acme'), 'registered'],
  ['a BMPString (E5)', cn(der.bmp('Äcme')), dn('Äcme'), 'registered'],
  ['a TeletexString of ASCII (E5)', cn(der.teletex('acme')), dn('acme'), 'registered'],
  ['a TeletexString of other letters, as text (E5)', cn(der.teletex('Äcme')), dn('Äcme'), 'of another'],
  [
    'a TeletexString of other letters, to the octet (E5)',
    cn(der.teletex('Äcme')),
    dn(hex(der.teletex('Äcme'))),
    'registered',
  ],
  [
    'an identifier in a PrintableString (E5)',
    subject({ ids: [der.printable(NUMBER)] }),
    dn('acme'),
    'registered',
  ],
  ['an identifier in a BMPString (E5)', subject({ ids: [der.bmp(NUMBER)] }), dn('acme'), 'registered'],
  ['case and spaces (E5)', ofText(' ACME   Ltd '), dn('acme ltd'), 'registered'],
  ['letters that are composed (E5)', ofText('A\u0308cme'), dn('\u00c4cme'), 'registered'],
  ['a wide letter, which is the same by RFC 4518 (E5)', ofText('\uff21cme'), dn('acme'), 'registered'],
  ['a Cyrillic letter that looks the same (E5)', ofText('\u0410cme'), dn('Acme'), 'of another'],
  ['a Greek letter that looks the same (E5)', ofText('acm\u03b5'), dn('acme'), 'of another'],
  [
    'a dotted type (E6)',
    ofText('acme'),
    dn('acme').replace('organizationIdentifier', '2.5.4.97'),
    'registered',
  ],
  [
    'a dotted type with OID. (E6)',
    ofText('acme'),
    dn('acme').replace('organizationIdentifier', 'OID.2.5.4.97'),
    'registered',
  ],
  ['a value in hexadecimal (E6)', ofText('acme'), dn(hex(der.utf8('acme'))), 'registered'],
  [
    'a value in hexadecimal of another string type (E6)',
    ofText('acme'),
    dn(hex(der.printable('acme'))),
    'registered',
  ],
  [
    'a value in hexadecimal that is no text (E6)',
    ofText('acme'),
    dn(hex(der.octetString(Buffer.from('acme')))),
    'of another',
  ],
  [
    'a hexadecimal text that is taken for text (E6)',
    ofText('#0c0461636d65'),
    dn('#0c0461636d65'),
    'of another',
  ],
  ['hexadecimal that ends early (E6)', ofText('acme'), dn('#0c05616263'), 'malformed'],
  ['hexadecimal with an octet more (E6)', ofText('acme'), dn('#0c0461636d6500'), 'malformed'],
  ['half an octet (E6)', ofText('acme'), dn('#0c0461636d6'), 'malformed'],
  ['a type that no standard has (E6)', ofText('acme'), `XX=acme,${tail}`, 'malformed'],
  ['a value in quotes (E6)', ofText('acme'), dn('"acme"'), 'malformed'],
  ['RDNs apart by semicolons (E6)', ofText('acme'), dn('acme').replaceAll(',', ';'), 'malformed'],
  ['a comma, escaped (E6)', ofText('Acme, Inc'), dn('Acme\\, Inc'), 'registered'],
  ['a comma, in hexadecimal (E6)', ofText('Acme, Inc'), dn('Acme\\2C Inc'), 'registered'],
];

/** Many names of each kind. */
const MANY: Names = {
  subject: ofText('in-the-subject.example'),
  names: [
    factory.general.dns('one.tpp.example'),
    factory.general.dns('TWO.tpp.example'),
    factory.general.dns('*.wild.example'),
    factory.general.dns('xn--bcher-kva.example'),
    factory.general.uri('https://one.tpp.example/id,DNS:comma.example'),
    factory.general.uri('dns:in-a-uri.example'),
    factory.general.uri('https://two.tpp.example'),
    factory.general.email('Ops@TPP.example'),
    factory.general.email('info@in-a-mailbox.example'),
    factory.general.ip(192, 0, 2, 7),
    factory.general.ip(...Buffer.from('20010db8000000000000000000000007', 'hex')),
    factory.general.directory(factory.named('in-a-directory.example')),
    factory.general.other('1.3.6.1.4.1.311.20.2.3', 'in-another.example'),
  ],
};
type SanRow = readonly [
  title: string,
  kind: 'dns' | 'uri' | 'ip' | 'email',
  value: string,
  outcome: NameOutcome,
];
const SANS: readonly SanRow[] = [
  ['the first of several host names (E10)', 'dns', 'one.tpp.example', 'registered'],
  ['the second of several, in other case (E10)', 'dns', 'two.TPP.example', 'registered'],
  ['a part of a host name (E10)', 'dns', 'tpp.example', 'of another'],
  ['a name below a host name (E10)', 'dns', 'a.one.tpp.example', 'of another'],
  ['a trailing dot (E10)', 'dns', 'one.tpp.example.', 'malformed'],
  ['a wildcard, for a host (E10)', 'dns', 'a.wild.example', 'of another'],
  ['a wildcard, for itself (E10)', 'dns', '*.wild.example', 'registered'],
  ['a wildcard that the client brings (E10)', 'dns', '*.tpp.example', 'of another'],
  ['every host (E10)', 'dns', '*', 'malformed'],
  ['two wildcards (E10)', 'dns', '*.*.example', 'malformed'],
  ['an IDN as A-label (E10)', 'dns', 'xn--bcher-kva.example', 'registered'],
  ['an IDN as U-label (E10)', 'dns', 'bücher.example', 'malformed'],
  ['a letter that looks the same (E10)', 'dns', '\u043ene.tpp.example', 'malformed'],
  ['a NUL in a host name (E2)', 'dns', 'one.tpp.example\0.evil', 'malformed'],
  ['a line break behind a host name (E2)', 'dns', 'one.tpp.example\n', 'malformed'],
  ['a host of the subject (E7)', 'dns', 'in-the-subject.example', 'of another'],
  ['a host of a URI (E7)', 'dns', 'in-a-uri.example', 'of another'],
  ['a host of a mailbox (E7)', 'dns', 'in-a-mailbox.example', 'of another'],
  ['a host of a directoryName (E7)', 'dns', 'in-a-directory.example', 'of another'],
  ['a host of an otherName (E7)', 'dns', 'in-another.example', 'of another'],
  ['an address as a host (E7)', 'dns', '192.0.2.7', 'malformed'],
  ['a host behind a comma of a URI (E8)', 'dns', 'comma.example', 'of another'],
  ['a list of hosts (E8)', 'dns', 'one.tpp.example, DNS:two.tpp.example', 'malformed'],
  ['a host as a URI (E7)', 'uri', 'one.tpp.example', 'malformed'],
  ['a URI with a comma (E8)', 'uri', 'https://one.tpp.example/id,DNS:comma.example', 'registered'],
  ['the first part of a URI (E8)', 'uri', 'https://one.tpp.example/id', 'of another'],
  ['the third of several URIs (E10)', 'uri', 'https://two.tpp.example', 'registered'],
  ['a URI with a slash more (E10)', 'uri', 'https://two.tpp.example/', 'of another'],
  ['a URI in other case (E10)', 'uri', 'https://TWO.tpp.example', 'of another'],
  ['a mailbox, its host in other case (E10)', 'email', 'Ops@tpp.EXAMPLE', 'registered'],
  ['a mailbox, its local part in other case (E10)', 'email', 'ops@TPP.example', 'of another'],
  ['a mailbox of two hosts (E8)', 'email', 'Ops@TPP.example@evil.example', 'malformed'],
  ['the host of a mailbox alone (E10)', 'email', 'TPP.example', 'malformed'],
  ['an address (E10)', 'ip', '192.0.2.7', 'registered'],
  ['an address with a zero before it (E10)', 'ip', '192.0.2.07', 'malformed'],
  ['an address as one number (E10)', 'ip', '3221225991', 'malformed'],
  ['an IPv4 address in IPv6 (E10)', 'ip', '::ffff:192.0.2.7', 'of another'],
  ['a long IPv6 address (E10)', 'ip', '2001:0DB8:0:0:0:0:0:7', 'registered'],
  ['an IPv6 address with a zone (E10)', 'ip', '2001:db8::7%eth0', 'malformed'],
  ['a range of addresses (E10)', 'ip', '192.0.2.0/24', 'malformed'],
];

/** Names of a registration beside the names of its certificate. */
export const ROWS: readonly NameRow[] = [
  ...DNS.map(([title, of, value, outcome]) => ({
    ...{ title, subject: of, property: 'tls_client_auth_subject_dn' as const, value, outcome },
  })),
  ...SANS.map(([title, kind, value, outcome]) => ({
    ...{ ...MANY, title, property: `tls_client_auth_san_${kind}` as const, value, outcome },
  })),
];

const withIds = (...ids: readonly Buffer[]): Names => ({ subject: subject({ ids }) });
const withIdText = (text: string) => withIds(der.utf8(text));
const withSan = (...names: readonly Buffer[]): Names => ({ subject: subject(), names });

/** Certificates that every endpoint refuses for their names. */
export const REFUSED: readonly (readonly [title: string, names: Names, code: string])[] = [
  [
    'two identifiers, the own one first (E11)',
    withIds(der.utf8(NUMBER), der.utf8(OTHER_NUMBER)),
    'ERR_TPP_IDENTIFIER_AMBIGUOUS',
  ],
  [
    'two identifiers, the own one twice (E11)',
    withIds(der.utf8(NUMBER), der.utf8(NUMBER)),
    'ERR_TPP_IDENTIFIER_AMBIGUOUS',
  ],
  [
    'an identifier in the text of another attribute (E1)',
    { subject: subject({ ids: [], o: der.utf8(`Acme,2.5.4.97=${NUMBER}`) }) },
    'ERR_TPP_IDENTIFIER_INVALID',
  ],
  [
    'an identifier with another RDN in its text (E1)',
    withIdText(`${NUMBER},CN=acme`),
    'ERR_TPP_NOT_REGISTERED',
  ],
  ['an identifier with a NUL (E2)', withIdText(`${NUMBER}\0`), 'ERR_TPP_IDENTIFIER_INVALID'],
  ['an identifier with a line break (E2)', withIdText(`${NUMBER}\r\n`), 'ERR_TPP_IDENTIFIER_INVALID'],
  [
    'an identifier with codes of a terminal (E2)',
    withIdText(`\u001b[2J${NUMBER}`),
    'ERR_TPP_IDENTIFIER_INVALID',
  ],
  [
    'an identifier from right to left (E2)',
    withIdText(`PSDGB-FCA-\u202e300009`),
    'ERR_TPP_IDENTIFIER_INVALID',
  ],
  ['a name of 5 kB (E2)', { subject: subject({ cn: der.utf8('x'.repeat(5000)) }) }, 'ERR_CERT_MALFORMED'],
  [
    'an identifier with a Cyrillic letter (E5)',
    withIdText(NUMBER.replace('P', '\u0420')),
    'ERR_TPP_IDENTIFIER_INVALID',
  ],
  [
    'an identifier with a wide digit (E5)',
    withIdText(NUMBER.replace('3', '\uff13')),
    'ERR_TPP_NOT_REGISTERED',
  ],
  ['an identifier in small letters (E5)', withIdText(NUMBER.toLowerCase()), 'ERR_TPP_IDENTIFIER_INVALID'],
  [
    'an identifier that is no text (E5)',
    withIds(der.bitString(Buffer.from(NUMBER))),
    'ERR_TPP_IDENTIFIER_INVALID',
  ],
  [
    'a comma in a host name (E8)',
    withSan(factory.general.dns('one.tpp.example, DNS:two.tpp.example')),
    'ERR_CERT_MALFORMED',
  ],
  ['a NUL in a host name (E8)', withSan(factory.general.dns('one.tpp.example\0.evil')), 'ERR_CERT_MALFORMED'],
  [
    'a U-label in a host name (E10)',
    withSan(factory.general.dns('b\u00fccher.example')),
    'ERR_CERT_MALFORMED',
  ],
  ['a mailbox without a host (E7)', withSan(factory.general.email('ops')), 'ERR_CERT_MALFORMED'],
  ['a URI without a scheme (E7)', withSan(factory.general.uri('one.tpp.example')), 'ERR_CERT_MALFORMED'],
  ['an address of five octets (E7)', withSan(factory.general.ip(192, 0, 2, 7, 0)), 'ERR_CERT_MALFORMED'],
];

/** Certificates that do not come through the handshake. */
export const CLOSED: readonly (readonly [title: string, names: Names])[] = [
  ['a name of 64 kB (E2)', { subject: subject({ cn: der.utf8('x'.repeat(64_000)) }) }],
  ['an identifier of no string type (E5)', withIds(der.octetString(Buffer.from(NUMBER)))],
];
