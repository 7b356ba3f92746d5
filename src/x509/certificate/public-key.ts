import { createPublicKey, type KeyObject } from 'node:crypto';
import { readAlgorithm } from './signature.ts';
import { DerError, decodeInteger, decodeOctetBits, type Element, readAll, TAG } from '../der/der.ts';

/** A SubjectPublicKeyInfo: `octets` is the content of subjectPublicKey, over which key identifiers are hashed. */
export interface PublicKeyInfo {
  readonly key: KeyObject;
  readonly octets: Buffer;
  readonly der: Buffer;
}

const RSA = '1.2.840.113549.1.1.1';
const RSASSA_PSS = '1.2.840.113549.1.1.10';
const EC = '1.2.840.10045.2.1';
const ED25519 = '1.3.101.112';

/**
 * SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }
 *
 * Proves the form: RSA with NULL and nothing but modulus and exponent, elliptic curves by name and with an
 * uncompressed point that is on the curve, Ed25519 bare. Does not check strength: that is `key-strength`.
 *
 * @throws DerError
 * @see RFC 3279 §2.3.1, RFC 5480 §2, RFC 8410 §3
 */
export function parsePublicKey({ raw, content }: Element): PublicKeyInfo {
  const { oid, parameters, octets } = readAll(content, (fields) => ({
    ...readAlgorithm(fields),
    octets: decodeOctetBits(fields.content(TAG.bitString)),
  }));
  checkForm(oid, parameters, octets);
  return { key: load(raw, oid), octets, der: raw };
}

function checkForm(oid: string, parameters: Element | undefined, octets: Buffer): void {
  if (oid === RSA && (parameters?.tag !== TAG.null || parameters.content.length !== 0)) {
    throw new DerError('rsaEncryption takes NULL as parameters');
  }
  if (oid === RSA || oid === RSASSA_PSS) readRsaKey(octets);
  if (oid === EC && parameters?.tag !== TAG.oid) throw new DerError('the curve is not given by name');
  if (oid === EC && octets[0] !== 0x04) throw new DerError('the curve point is not uncompressed');
  if (oid === ED25519 && (parameters !== undefined || octets.length !== 32)) {
    throw new DerError('Ed25519 takes no parameters and 32 octets');
  }
}

function load(der: Buffer, oid: string): KeyObject {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new DerError(`public key of algorithm ${oid} does not load`, { cause });
  }
}

/** RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }, both positive. */
export function readRsaKey(octets: Buffer): { readonly modulus: bigint; readonly exponent: bigint } {
  return readAll(octets, (reader) =>
    reader.within(TAG.sequence, (fields) => ({
      modulus: positive(fields.content(TAG.integer)),
      exponent: positive(fields.content(TAG.integer)),
    })),
  );
}

function positive(content: Buffer): bigint {
  const octets = decodeInteger(content);
  const value = BigInt(`0x${octets.toString('hex')}`);
  if ((octets[0] ?? 0x80) >= 0x80 || value === 0n) throw new DerError('RSA number is not positive');
  return value;
}
