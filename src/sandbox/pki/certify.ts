import { type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  Extension,
  Name,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { DerReader, TAG } from '../../x509/der/der.ts';
import { bitString, sequence } from './der-writer.ts';
import type { Deviation, Validity } from './issue-options.ts';
import { algorithmOf, bufferOf, spkiOf } from './keys.ts';

export interface Signer {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

export interface Certification {
  readonly key: KeyObject;
  /** Absent: self-signed. */
  readonly issuer: Signer | undefined;
  readonly subject: Name;
  readonly validity: Validity;
  readonly extensions: readonly Extension[];
  readonly deviation?: Deviation;
}

/** Signs a certificate for a key; answers with its DER. */
export async function certify(options: Certification): Promise<Buffer> {
  const { key, issuer, deviation = {} } = options;
  const signingKey = issuer?.key ?? key;
  const hash = deviation.signatureHash ?? 'SHA-256';
  const algorithm = algorithmOf(signingKey, hash);
  const extra = deviation.extensions ?? [];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: options.subject,
    issuer: issuer?.certificate.subjectName ?? options.subject,
    notBefore: options.validity.notBefore,
    notAfter: options.validity.notAfter,
    publicKey: spkiOf(key),
    signingKey: signingKey.toCryptoKey(algorithm, true, ['sign']),
    signingAlgorithm: { name: algorithm.name, hash },
    extensions: [
      ...options.extensions,
      await SubjectKeyIdentifierExtension.create(spkiOf(key)),
      ...(issuer === undefined ? [] : [await AuthorityKeyIdentifierExtension.create(spkiOf(issuer.key))]),
      ...extra.map(({ oid, critical, value }) => new Extension(oid, critical, bufferOf(value))),
    ],
  });
  const der = Buffer.from(certificate.rawData);
  return deviation.derFault === 'ber-boolean' ? withBerBoolean(der, signingKey, hash) : der;
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
