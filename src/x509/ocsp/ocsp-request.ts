import { contextTag, TAG } from '../der/der.ts';
import { writeElement, writeSequence } from '../der/der-writer.ts';
import { type CertIdHash, type IssuedPair, writeCertId } from './ocsp-cert-id.ts';

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
