import { createPrivateKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  Extension,
  Name,
  PemConverter,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { DerReader, TAG } from '../../x509/der/der.ts';
import { bitString, sequence } from './der-writer.ts';
import type { Deviation, Validity } from './issue-options.ts';
import { algorithmOf, bufferOf, spkiOf } from './keys.ts';

/** A certificate and its key, as text for files and as bytes for checks. */
export interface IssuedCertificate {
  readonly certificatePem: string;
  /** PKCS#8. */
  readonly privateKeyPem: string;
  readonly der: Uint8Array;
  /** The certificate and the authorities above it, without the self-signed root. */
  readonly chainPem: string;
}

export interface Certification {
  readonly key: KeyObject;
  /** Absent: self-signed. */
  readonly issuer: IssuedCertificate | undefined;
  readonly subject: Name;
  readonly validity: Validity;
  readonly extensions: readonly Extension[];
  readonly deviation?: Deviation;
}

/** Signs a certificate for a key. */
export async function certify(options: Certification): Promise<IssuedCertificate> {
  const { key, issuer, subject, validity, deviation = {} } = options;
  const { extensions: extra = [], signatureHash: hash = 'SHA-256' } = deviation;
  const above = issuer && new X509Certificate(issuer.certificatePem);
  const signingKey = issuer === undefined ? key : createPrivateKey(issuer.privateKeyPem);
  const algorithm = algorithmOf(signingKey, hash);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: above?.subjectName ?? subject,
    notBefore: validity.notBefore,
    notAfter: validity.notAfter,
    publicKey: spkiOf(key),
    signingKey: signingKey.toCryptoKey(algorithm, true, ['sign']),
    signingAlgorithm: { name: algorithm.name, hash },
    extensions: [
      ...options.extensions,
      await SubjectKeyIdentifierExtension.create(spkiOf(key)),
      ...(above === undefined ? [] : [await AuthorityKeyIdentifierExtension.create(above.publicKey)]),
      ...extra.map(({ oid, critical, value }) => new Extension(oid, critical, bufferOf(value))),
    ],
  });
  const written = Buffer.from(certificate.rawData);
  const der = deviation.derFault === 'ber-boolean' ? withBerBoolean(written, signingKey, hash) : written;
  const certificatePem = `${PemConverter.encode(bufferOf(der), PemConverter.CertificateTag)}\n`;
  return Object.freeze({
    certificatePem,
    privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }),
    der: new Uint8Array(der),
    chainPem: issuer === undefined ? '' : certificatePem + issuer.chainPem,
  });
}

/** keyUsage, critical: a TRUE that BER allows and DER does not (X.690 §11.1). */
const CRITICAL_KEY_USAGE = Buffer.from('0603551d0f0101ff', 'hex');

/** Writes TRUE as 01 and signs anew. OpenSSL accepts that, so the certificate passes TLS and reaches our parser. */
function withBerBoolean(der: Buffer, key: KeyObject, hash: string): Buffer {
  const fields = new DerReader(new DerReader(der).content(TAG.sequence));
  const tbs = Buffer.from(fields.element(TAG.sequence).raw);
  const algorithm = fields.element(TAG.sequence).raw;
  const at = tbs.indexOf(CRITICAL_KEY_USAGE);
  if (at < 0) throw new TypeError('there is no critical keyUsage to spoil');
  tbs[at + CRITICAL_KEY_USAGE.length - 1] = 0x01;
  return sequence(tbs, algorithm, bitString(sign(hash.replace('-', ''), tbs, key)));
}

/** 16 random octets, positive and without leading zeros (RFC 5280 §4.1.2.2: at most 20). */
function randomSerial(): string {
  const octets = randomBytes(16);
  octets[0] = ((octets[0] ?? 0) & 0x3f) | 0x40;
  return octets.toString('hex');
}

/** Values are typed: plain strings are parsed as RFC 4514 text and come out altered. */
export function nameOf(attributes: readonly (readonly [type: string, value: string | undefined])[]): Name {
  return new Name(
    attributes.flatMap(([type, value]) =>
      value === undefined ? [] : [{ [type]: [{ [type === 'C' ? 'printableString' : 'utf8String']: value }] }],
    ),
  );
}
