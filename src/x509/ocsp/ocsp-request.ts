import { hash } from 'node:crypto';
import type { Certificate } from '../certificate/certificate.ts';
import { contextTag, type DerReader, decodeInteger, TAG, writeElement, writeSequence } from '../der/der.ts';
import { readHash } from '../certificate/signature.ts';

/** Which certificate an OCSP request or answer is about. */
export interface CertId {
  /** Dotted. */
  readonly hashAlgorithm: string;
  readonly issuerNameHash: Buffer;
  readonly issuerKeyHash: Buffer;
  /** Lower-case hexadecimal octets, without a sign octet. */
  readonly serialNumber: string;
}

/** A certificate and the one that signed it, as a verified path has them next to each other. */
export interface IssuedPair {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
}

/**
 * RFC 5019 §2.1.1 obliges responders to know `sha1`, and many know no other. The hash only names an issuer that the
 * path has proved already: an attacker with a second preimage would still have to sign the answer.
 */
export type CertIdHash = 'sha1' | 'sha256';

const HASHES: Readonly<Record<string, CertIdHash | 'sha384' | 'sha512'>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
};
/** AlgorithmIdentifiers with NULL, as responders expect them. */
const IDENTIFIERS: Readonly<Record<CertIdHash, Buffer>> = {
  sha1: Buffer.from('300906052b0e03021a0500', 'hex'),
  sha256: Buffer.from('300d06096086480165030402010500', 'hex'),
};

/**
 *     CertID ::= SEQUENCE { hashAlgorithm AlgorithmIdentifier, issuerNameHash OCTET STRING,
 *       issuerKeyHash OCTET STRING, serialNumber INTEGER }
 *
 * @throws DerError
 * @see RFC 6960 §4.1.1
 */
export function readCertId(reader: DerReader): CertId {
  return reader.within(TAG.sequence, (fields) => ({
    hashAlgorithm: readHash(fields),
    issuerNameHash: fields.content(TAG.octetString),
    issuerKeyHash: fields.content(TAG.octetString),
    serialNumber: magnitudeOf(fields.content(TAG.integer)),
  }));
}

/** A negative number keeps its sign octet, so that it equals no serial number of a certificate. */
function magnitudeOf(content: Buffer): string {
  const octets = decodeInteger(content);
  if ((octets[0] ?? 0) >= 0x80) return `-${octets.toString('hex')}`;
  return (octets[0] === 0 && octets.length > 1 ? octets.subarray(1) : octets).toString('hex');
}

function writeCertId({ certificate, issuer }: IssuedPair, name: CertIdHash): Buffer {
  return writeSequence(
    IDENTIFIERS[name],
    writeElement(TAG.octetString, hash(name, certificate.issuerDer, 'buffer')),
    writeElement(TAG.octetString, hash(name, issuer.publicKeyOctets, 'buffer')),
    writeElement(TAG.integer, serialOctets(certificate)),
  );
}

function serialOctets({ serialNumber }: Certificate): Buffer {
  const octets = Buffer.from(serialNumber, 'hex');
  return (octets[0] ?? 0) < 0x80 ? octets : Buffer.concat([Buffer.from([0]), octets]);
}

/** Whether the id is of this certificate by this issuer: all three parts, by the hash of the id. */
export function isCertIdOf(id: CertId, pair: IssuedPair): boolean {
  return id.serialNumber === pair.certificate.serialNumber && isIssuerOf(id, pair);
}

/** Whether the id is of any certificate by the issuer of this one. */
export function isIssuerOf(id: CertId, { certificate, issuer }: IssuedPair): boolean {
  const name = HASHES[id.hashAlgorithm];
  return (
    name !== undefined &&
    id.issuerKeyHash.equals(hash(name, issuer.publicKeyOctets, 'buffer')) &&
    id.issuerNameHash.equals(hash(name, certificate.issuerDer, 'buffer'))
  );
}

export interface OcspRequestOptions {
  readonly hash: CertIdHash;
  /** RFC 9654 §2.1 asks for 32 octets; absent: the request may be answered from a cache. */
  readonly nonce?: Buffer | undefined;
}

/** 1.3.6.1.5.5.7.48.1.2 */
const NONCE_OID = Buffer.from('06092b0601050507300102', 'hex');

/**
 * A request for the status of one certificate, unsigned.
 *
 *     OCSPRequest ::= SEQUENCE { SEQUENCE { requestList SEQUENCE OF SEQUENCE { CertID },
 *       requestExtensions [2] EXPLICIT Extensions OPTIONAL } }
 *
 * @see RFC 6960 §4.1, RFC 9654
 */
export function writeOcspRequest(about: IssuedPair, { hash, nonce }: OcspRequestOptions): Buffer {
  const list = writeSequence(writeSequence(writeCertId(about, hash)));
  if (nonce === undefined) return writeSequence(writeSequence(list));
  const extension = writeSequence(NONCE_OID, writeElement(TAG.octetString, writeNonce(nonce)));
  return writeSequence(
    writeSequence(list, writeElement(contextTag(2, 'constructed'), writeSequence(extension))),
  );
}

/** Nonce ::= OCTET STRING (SIZE(1..128)) */
export function writeNonce(nonce: Buffer): Buffer {
  return writeElement(TAG.octetString, nonce);
}
