import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseCertificate, parsePem } from '../../../src/x509/certificate/certificate.ts';
import { formatName, namesEqual, parseName } from '../../../src/x509/certificate/distinguished-name.ts';
import * as factory from '../certificate-factory.ts';
import { corpus, readCorpus } from '../corpora.ts';
import * as der from '../der-writer.ts';
import { outcomeOf } from '../refusals.ts';

const ca = factory.issue('authority', 'ca');
const write = (options: factory.CertificateOptions = {}): Buffer =>
  factory.writeCertificate({ issuer: ca, ...options });
const verdict = (bytes: Uint8Array) => outcomeOf(() => parseCertificate(bytes));
const good = write();

describe('a certificate', () => {
  it('says what Node says of the same bytes', () => {
    const ours = parseCertificate(good);
    const theirs = new X509Certificate(good);
    expect(ours.serialNumber.toUpperCase()).toBe(theirs.serialNumber);
    expect(ours.notBefore).toEqual(theirs.validFromDate);
    expect(ours.notAfter).toEqual(theirs.validToDate);
    expect(ours.publicKey.equals(theirs.publicKey)).toBe(true);
    expect([...(ours.keyUsage ?? [])]).toEqual(['digitalSignature']);
    expect(ours.extendedKeyUsage).toEqual([factory.PURPOSE.clientAuth]);
  });

  it('has a thumbprint over exactly its bytes, and keeps a copy of them (RFC 8705 section 3.1)', () => {
    const bytes = Buffer.from(good);
    const certificate = parseCertificate(bytes);
    bytes.fill(0);
    expect(certificate.thumbprint).toBe(createHash('sha256').update(good).digest('base64url'));
    expect(certificate.der.equals(good)).toBe(true);
    expect(Object.isFrozen(certificate)).toBe(true);
  });

  it('reads every extension that revocation and policy need', () => {
    const uri = factory.general.uri('http://ca.example/x');
    const access = (method: string): Buffer => der.sequence(der.oid(method), uri);
    const certificate = parseCertificate(
      write({
        extensions: [
          factory.extension('1.3.6.1.5.5.7.1.1', der.sequence(access('1.3.6.1.5.5.7.48.1'))),
          factory.extension('2.5.29.31', der.sequence(der.sequence(der.context(0, der.context(0, uri))))),
          factory.policies('1.2.3', '2.5.29.32.0'),
          factory.authorityKeyId(Buffer.from('abcd', 'hex')),
        ],
      }),
    );
    const location = { kind: 'uri', value: 'http://ca.example/x' };
    expect(certificate.authorityInformationAccess).toEqual([{ method: '1.3.6.1.5.5.7.48.1', location }]);
    expect(certificate.crlDistributionPoints).toEqual([{ fullName: [location], crlIssuer: [] }]);
    expect(certificate.certificatePolicies).toEqual(['1.2.3', '2.5.29.32.0']);
    expect(certificate.authorityKeyIdentifier?.keyIdentifier?.toString('hex')).toBe('abcd');
  });
});

describe('the values of a certificate', () => {
  it.each([
    ['U-label', der.field(2, Buffer.from('bücher.example', 'utf8'))],
    ['space in dNSName', factory.general.dns('a.example b.example')],
    ['NUL in dNSName', factory.general.dns('a.example\0.b')],
    ['comma in dNSName (E8)', factory.general.dns('a.example, DNS:b.example')],
    ['address of 5 octets', factory.general.ip(1, 2, 3, 4, 5)],
    ['mailbox without host', factory.general.email('a@')],
    ['relative URI', factory.general.uri('/path')],
  ])('refuses a subjectAltName with %s (RFC 5280 section 4.2.1.6)', (_what, name) => {
    const options = (names: readonly Buffer[]) => write({ extensions: [factory.subjectAltName(...names)] });
    expect(verdict(options([factory.general.dns('a.example'), name]))).toBe('ERR_CERT_MALFORMED');
    expect(verdict(options([factory.general.dns('*.a.example')]))).toBe('accepted');
  });

  it('reads keys of every accepted kind, and leaves their strength to the path', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    for (const keys of [
      factory.ecKeys('P-384'),
      factory.ecKeys('P-521'),
      generateKeyPairSync('ed25519'),
      weak,
    ]) {
      expect(verdict(write({ keys }))).toBe('accepted');
    }
  });
});

const real = corpus('pkilint-psd2');
describe.skipIf(real.isMissing)(`certificates of real issuers: ${real.title}`, () => {
  it.each(real.isMissing ? [] : readdirSync(real.path))(
    'reads %s, and its subject from its own string',
    (file) => {
      const [pem = ''] = readCorpus('pkilint-psd2', file).split(/(?<=-----END CERTIFICATE-----\n)/);
      const [bytes = Buffer.alloc(0)] = parsePem(pem);
      const { subject } = parseCertificate(bytes);
      for (const form of ['readable', 'strict'] as const) {
        expect(namesEqual(parseName(formatName(subject, form)), subject)).toBe(true);
      }
    },
  );
});
