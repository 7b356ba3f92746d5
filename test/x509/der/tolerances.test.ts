import { describe, expect, it } from 'vitest';
import { parseAnchor, parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { matchesSubject } from '../../../src/x509/certificate/subject-property.ts';
import { crlStatus, indexCrl } from '../../../src/x509/crl/crl.ts';
import type { TOLERATED } from '../../../src/x509/der/tolerances.ts';
import { ocspStatus, parseOcspResponse } from '../../../src/x509/ocsp/ocsp.ts';
import { TLS_CLIENT_POLICY, verifyPath } from '../../../src/x509/path/path.ts';
import * as factory from '../certificate-factory.ts';
import { extension, general, issue, NOW, PURPOSE } from '../certificate-factory.ts';
import * as lists from '../crl/crl-factory.ts';
import { entry, writeCrl } from '../crl/crl-factory.ts';
import * as der from '../der-writer.ts';
import * as ocsp from '../ocsp/ocsp-factory.ts';
import { answer, certId, single, timeWithFraction } from '../ocsp/ocsp-factory.ts';
import { outcomeOf } from '../refusals.ts';

const issuer = issue('authority', 'issuing');
const tpp = issue('end entity', 'tpp', { issuer });
const about = { certificate: tpp.certificate, issuer: issuer.certificate, at: NOW };
const id = certId(tpp, issuer);
const good = single(id);

const byOcsp = (options: Partial<ocsp.AnswerOptions> = {}) =>
  ocspStatus(parseOcspResponse(answer({ singles: [good], by: issuer, ...options })), about).status;
const byCrl = (options: Partial<lists.CrlFactoryOptions> = {}) =>
  crlStatus(tpp.certificate, { ...about, crls: [indexCrl(writeCrl({ issuer, ...options }))] }).status;
const asAnchor = (options: factory.IssueOptions) =>
  outcomeOf(() => parseAnchor(factory.write('authority', { keys: issuer.keys, ...options })));
const asLeaf = (options: factory.IssueOptions) =>
  outcomeOf(() => parseCertificate(factory.write('end entity', { keys: tpp.keys, issuer, ...options })));

const writtenFalse = (type: string, value: Buffer): Buffer =>
  der.sequence(der.oid(type), der.boolean(false), der.octetString(value));
const nonce = writtenFalse('1.3.6.1.5.5.7.48.1.2', der.octetString(Buffer.alloc(8)));
const delegate = issue('end entity', 'responder', {
  issuer,
  extra: [factory.extendedKeyUsage('1.3.6.1.5.5.7.3.9'), extension('1.3.6.1.5.5.7.48.1.5', der.nothing)],
});
/** The same certificate with `critical FALSE` written out. */
const delegateDer = factory.write('end entity', {
  keys: delegate.keys,
  subject: delegate.name,
  issuer,
  extra: [
    writtenFalse('2.5.29.37', der.sequence(der.oid('1.3.6.1.5.5.7.3.9'))),
    writtenFalse('1.3.6.1.5.5.7.48.1.5', der.nothing),
  ],
});
const others = Array.from({ length: 9 }, () => issue('end entity', 'other', { issuer }).der);
const listed = (extra: Buffer, serial = tpp.certificate.serialNumber) =>
  byCrl({ entries: [entry({ serial: '05', extra: [extra] }), entry({ serial })] });
const withHost = (host: string) =>
  issue('end entity', 'tpp', { issuer, extra: [factory.subjectAltName(general.dns(host))] }).certificate;
const pathOf = (host: string, keyPurpose: string) => () =>
  verifyPath(withHost(host), {
    anchors: [issuer.certificate],
    intermediates: [],
    at: NOW,
    policy: { ...TLS_CLIENT_POLICY, keyPurpose, absentExtendedKeyUsage: 'allow' },
  });
const noBits = extension('2.5.29.15', der.bitString(Buffer.from([0x80, 0x00]), 7), true);
const twoInOne = der.sequence(
  der.set(der.sequence(der.oid('2.5.4.10'), der.utf8('b')), der.sequence(der.oid('2.5.4.3'), der.utf8('a'))),
);

type Row = readonly [what: string, decide: () => unknown, expected: unknown];
/** For each deviation: accepted where it is tolerated, refused elsewhere, and nothing granted by it. */
const rows: Readonly<Record<keyof typeof TOLERATED, readonly Row[]>> = {
  'serial-number': [
    ['zero, of an anchor', () => asAnchor({ raw: { serial: der.integer(0) } }), 'accepted'],
    ['zero, of a leaf', () => asLeaf({ raw: { serial: der.integer(0) } }), 'ERR_CERT_MALFORMED'],
  ],
  'unread-extensions': [
    ['of an anchor', () => asAnchor({ extra: [extension('2.5.29.17', der.nothing)] }), 'accepted'],
    ['of a leaf', () => asLeaf({ extra: [extension('2.5.29.17', der.nothing)] }), 'ERR_CERT_MALFORMED'],
    [
      'a constraint of an anchor is read',
      () => asAnchor({ extra: [extension('2.5.29.30', der.nothing)] }),
      'ERR_CERT_MALFORMED',
    ],
  ],
  'small-exponent': [
    [
      'of an anchor',
      () => parseAnchor(factory.write('authority', { keys: factory.rsaKeys(2048, 3) })).keyProblem,
      undefined,
    ],
    [
      'of a leaf',
      () => issue('end entity', 'tpp', { issuer, keys: factory.rsaKeys(2048, 3) }).certificate.keyProblem,
      { kind: 'weak', key: 'RSA exponent 0x3' },
    ],
  ],
  'leading-period': [
    [
      'of an anchor',
      () => asAnchor({ extra: [factory.nameConstraints({ permitted: [general.dns('.gr')] })] }),
      'accepted',
    ],
  ],
  'written-default': [
    ['in an OCSP response', () => byOcsp({ extensions: [nonce] }), 'good'],
    [
      'in the certificate of its responder',
      () => byOcsp({ by: delegate, certificates: [delegateDer] }),
      'good',
    ],
    [
      'in a CRL',
      () =>
        byCrl({
          extensions: [
            ...lists.keyAndNumber(issuer, 1),
            writtenFalse('2.5.29.18', der.sequence(general.dns('a.example'))),
          ],
        }),
      'good',
    ],
    ['in an entry of a CRL', () => listed(writtenFalse('1.2.3', der.nothing)), 'revoked'],
    ['in a leaf', () => asLeaf({ extra: [writtenFalse('1.2.3', der.nothing)] }), 'ERR_CERT_MALFORMED'],
  ],
  'empty-extensions': [
    ['of an OCSP response', () => byOcsp({ extensions: 'empty' }), 'good'],
    ['of one answer', () => byOcsp({ singles: [single(id, { extensions: 'empty' })] }), 'good'],
    [
      'of a leaf',
      () => asLeaf({ raw: { extensions: der.context(3, der.sequence()) } }),
      'ERR_CERT_MALFORMED',
    ],
  ],
  'written-version': [
    ['of an OCSP response', () => byOcsp({ version: der.context(0, der.integer(0)) }), 'good'],
  ],
  'fraction-of-second': [
    ['produced', () => byOcsp({ producedAt: timeWithFraction(ocsp.minutes(-5), '.651') }), 'good'],
    [
      'an answer that ended half a second ago',
      () =>
        byOcsp({
          singles: [single(id, { nextUpdate: timeWithFraction(new Date(NOW.getTime() - 1000), '.999') })],
        }),
      'unknown',
    ],
    [
      'revoked',
      () => byOcsp({ singles: [single(id, { status: ocsp.STATUS.revoked(timeWithFraction(NOW, '.000')) })] }),
      'revoked',
    ],
  ],
  'empty-revoked-certificates': [['of a CRL', () => byCrl({ raw: { entries: der.sequence() } }), 'good']],
  'invalidity-date': [
    ['that is none', () => listed(lists.invalidityDate('20261301000000Z')), 'revoked'],
    ['in the short form', () => listed(extension('2.5.29.24', der.time(NOW))), 'revoked'],
    ['of another certificate', () => listed(lists.invalidityDate('x'), '06'), 'good'],
  ],
  'host-name': [
    ['for clients', () => outcomeOf(pathOf('https://a.example', PURPOSE.clientAuth)), 'accepted'],
    ['for servers', () => outcomeOf(pathOf('https://a.example', PURPOSE.serverAuth)), 'ERR_CERT_PROFILE'],
    ...['https://a.example', '192.0.2.1', 'a_b.example', 'a.example.', '*'].map(
      (host): Row => [
        `${host} is no name of a client`,
        () => matchesSubject(withHost(host), 'tls_client_auth_san_dns', host),
        false,
      ],
    ),
  ],
  'trailing-zero-bits': [['of a leaf', () => asLeaf({ extra: [noBits] }), 'accepted']],
  'name-order': [['of a leaf', () => asLeaf({ subject: twoInOne }), 'accepted']],
};

describe('a deviation that is tolerated', () => {
  const all = Object.entries(rows).flatMap(([name, list]) =>
    list.map(([what, decide, expected]) => ({ title: `${name}: ${what}`, decide, expected })),
  );
  it.each(all)('$title', ({ decide, expected }) => {
    expect(decide()).toEqual(expected);
  });

  it('nine certificates in an OCSP response: the responder is found among them', () => {
    expect(byOcsp({ by: delegate, certificates: [...others, delegate.der] })).toBe('good');
  });
});
