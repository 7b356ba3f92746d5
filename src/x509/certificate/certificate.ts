import { createHash, type KeyObject } from 'node:crypto';
import { isRefusal } from '../../errors.ts';
import {
  contextTag,
  DerError,
  type DerReader,
  decodeCount,
  decodeInteger,
  decodeNamedBits,
  readAll,
  TAG,
} from '../der/der.ts';
import { readTime } from '../der/der-time.ts';
import { readMessage } from '../der/message.ts';
import { type CertificateKind, isTolerated } from '../der/tolerances.ts';
import { type DistinguishedName, readName } from './distinguished-name.ts';
import {
  EXTENSION,
  type Extension,
  type KnownExtensions,
  readExtensions,
  readKnownExtensions,
} from './extensions.ts';
import { findKeyProblem, type KeyProblem } from './key-strength.ts';
import { parsePublicKey } from './public-key.ts';
import { readSigned, type SignedValue } from './signature.ts';

export { EXTENSION, type Extension } from './extensions.ts';
export { parsePem } from '../der/pem.ts';

/** An X.509 certificate: a frozen value over exactly the bytes that were received. */
export interface Certificate extends KnownExtensions, SignedValue {
  readonly der: Buffer;
  /** base64url of SHA-256 over `der`: the `x5t#S256` of RFC 8705 §3.1. */
  readonly thumbprint: string;
  readonly version: 1 | 2 | 3;
  /** Lower-case hexadecimal octets, as OpenSSL prints them, without a sign octet. */
  readonly serialNumber: string;
  readonly issuer: DistinguishedName;
  /** DER of the issuer field, over which OCSP CertIDs are hashed. */
  readonly issuerDer: Buffer;
  readonly subject: DistinguishedName;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Whether one of the two is a GeneralizedTime though UTCTime could write it, which issuers must not do. */
  readonly hasEarlyGeneralizedTime: boolean;
  readonly publicKey: KeyObject;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKeyInfo: Buffer;
  /** The content of the BIT STRING subjectPublicKey, over which key identifiers and OCSP CertIDs are hashed. */
  readonly publicKeyOctets: Buffer;
  /** Why the key must not be relied on; an anchor's key is judged by the rules for anchors. */
  readonly keyProblem: KeyProblem | undefined;
  readonly extensions: ReadonlyMap<string, Extension>;
}

/** More than twenty times a usual certificate; a larger one only costs time. */
const MAX_BYTES = 65_536;
/** RFC 5280 §4.1.2.2. */
const MAX_SERIAL_BYTES = 20;

/**
 * Reads one certificate of strict DER, all of it: no BER, no bytes after the end, no extension twice, no serial number
 * that is not positive, no disagreement of the two algorithm fields, times of one of the two forms that RFC 5280 knows.
 *
 *     Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 *     TBSCertificate ::= SEQUENCE { version [0] DEFAULT v1, serialNumber, signature, issuer, validity, subject,
 *       subjectPublicKeyInfo, issuerUniqueID [1] OPTIONAL, subjectUniqueID [2] OPTIONAL, extensions [3] OPTIONAL }
 *
 * Proves nothing about trust, dates or strength: that is `verifyPath`.
 *
 * @throws ERR_CERT_MALFORMED
 * @see RFC 5280 §4.1
 */
export function parseCertificate(der: Uint8Array): Certificate {
  return parseAs('certificate', der);
}

/**
 * The same for a certificate that the operator trusts as an anchor. Name, key and constraints are read strictly;
 * faults of the rest, which `TOLERATED` lists, are accepted.
 *
 * @throws ERR_CERT_MALFORMED
 * @see RFC 5280 §6.1.1 (d)
 */
export function parseAnchor(der: Uint8Array): Certificate {
  return parseAs('anchor', der);
}

function parseAs(kind: CertificateKind, der: Uint8Array): Certificate {
  return readMessage(der, { maxBytes: MAX_BYTES, code: 'ERR_CERT_MALFORMED' }, () => {
    const copy = Buffer.from(der);
    const thumbprint = createHash('sha256').update(copy).digest('base64url');
    return Object.freeze({ der: copy, thumbprint, ...readSigned(copy, (fields) => readTbs(fields, kind)) });
  });
}

/** Those that can be read. An unreadable certificate proves nothing, so that a path which needs it is refused. */
export function readableCertificates(
  ders: readonly Uint8Array[],
  kind: CertificateKind = 'certificate',
): Certificate[] {
  return ders.flatMap((der) => {
    try {
      return [parseAs(kind, der)];
    } catch (error) {
      if (isRefusal(error)) return [];
      throw error;
    }
  });
}

function readTbs(fields: DerReader, kind: CertificateKind) {
  const version: 1 | 2 | 3 = fields.optionalWithin(contextTag(0, 'constructed'), readVersion) ?? 1;
  const serialNumber = readSerial(fields.content(TAG.integer), kind);
  const innerAlgorithm = fields.element(TAG.sequence).raw;
  const issuerDer = fields.element(TAG.sequence).raw;
  const issuer = readAll(issuerDer, readName);
  const validity = fields.within(TAG.sequence, readValidity);
  const subject = readName(fields);
  const publicKey = parsePublicKey(fields.element(TAG.sequence));
  const hasUniqueId = readUniqueIds(fields);
  const extensions =
    fields.optionalWithin(contextTag(3, 'constructed'), (list) => readExtensions(list, kind)) ??
    new Map<string, Extension>();
  if (hasUniqueId && version === 1) throw new DerError('unique identifiers in version 1');
  if (extensions.size > 0 && version !== 3) throw new DerError(`extensions in version ${version}`);
  const known = readKnownExtensions(extensions, kind);
  checkNames({ issuer, subject }, extensions, known);
  return {
    version,
    serialNumber,
    innerAlgorithm,
    issuer,
    issuerDer,
    subject,
    ...validity,
    publicKey: publicKey.key,
    publicKeyInfo: publicKey.der,
    publicKeyOctets: publicKey.octets,
    keyProblem: findKeyProblem(publicKey.key, publicKey.octets, kind),
    extensions,
    ...known,
  };
}

/** Validity ::= SEQUENCE { notBefore Time, notAfter Time } */
function readValidity(times: DerReader) {
  let hasEarlyGeneralizedTime = false;
  const read = (): Date => {
    const isGeneralized = times.nextTag === TAG.generalizedTime;
    const at = readTime(times);
    hasEarlyGeneralizedTime ||= isGeneralized && at.getUTCFullYear() < 2050;
    return at;
  };
  return { notBefore: read(), notAfter: read(), hasEarlyGeneralizedTime };
}

function readVersion(reader: DerReader): 2 | 3 {
  const number = decodeCount(reader.content(TAG.integer));
  if (number !== 1 && number !== 2) throw new DerError('version is neither v2 nor v3 (v1 is left out)');
  return number === 1 ? 2 : 3;
}

function readSerial(content: Buffer, kind: CertificateKind): string {
  const octets = decodeInteger(content);
  if (isTolerated('serial-number', kind)) return octets.toString('hex');
  const magnitude = octets[0] === 0 ? octets.subarray(1) : octets;
  if ((octets[0] ?? 0) >= 0x80 || magnitude.length === 0) throw new DerError('serial number is not positive');
  if (octets.length > MAX_SERIAL_BYTES)
    throw new DerError(`serial number is longer than ${MAX_SERIAL_BYTES} octets`);
  return magnitude.toString('hex');
}

function readUniqueIds(fields: DerReader): boolean {
  const ids = [1, 2].map((field) => fields.optionalContent(contextTag(field, 'primitive'), decodeNamedBits));
  return ids.some((id) => id !== undefined);
}

/** RFC 5280 §4.1.2.4 and §4.1.2.6: only an end entity may lack a subject, and then a critical subjectAltName has it. */
function checkNames(
  names: { readonly issuer: DistinguishedName; readonly subject: DistinguishedName },
  extensions: ReadonlyMap<string, Extension>,
  known: KnownExtensions,
): void {
  if (names.issuer.rdns.length === 0) throw new DerError('issuer is empty');
  if (names.subject.rdns.length > 0) return;
  if (known.basicConstraints?.isCa === true)
    throw new DerError('subject of a certification authority is empty');
  if (extensions.get(EXTENSION.subjectAlternativeName)?.critical !== true) {
    throw new DerError('subject is empty and subjectAltName is not critical');
  }
}
