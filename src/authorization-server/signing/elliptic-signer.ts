import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { JWK } from 'jose';
import { ExternalSigningKey } from '../provider-internals.ts';

const signInPool = promisify(sign);
/** Bytes of r and of s (P-256). */
const PART_BYTES = 32;

/**
 * An ES256 key that signs in the thread pool, without the detours of WebCrypto. Signed in the thread that serves, a
 * token costs that thread half as much again.
 */
export class EllipticSigner extends ExternalSigningKey {
  readonly #private: KeyObject;
  readonly #public: KeyObject;

  constructor(jwk: JWK) {
    super();
    this.kid = jwk.kid;
    this.alg = 'ES256';
    this.#private = createPrivateKey({ key: jwk, format: 'jwk' });
    this.#public = createPublicKey(this.#private);
  }

  override keyObject(): KeyObject {
    return this.#public;
  }

  override async sign(data: Buffer): Promise<Buffer> {
    // Asked for DER: node's `ieee-p1363` doubles the price (it converts in a slow way).
    return joseSignature(await signInPool('sha256', data, this.#private));
  }
}

/**
 * r and s one after the other (RFC 7518 §3.4), from
 *
 *     Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }
 */
function joseSignature(der: Buffer): Buffer {
  const raw = Buffer.alloc(2 * PART_BYTES);
  let at = 2;
  for (const end of [PART_BYTES, 2 * PART_BYTES]) {
    const length = der.readUInt8(at + 1);
    const integer = der.subarray(at + 2, at + 2 + length);
    // A leading zero only keeps the number positive.
    const digits = integer.subarray(Math.max(0, length - PART_BYTES));
    digits.copy(raw, end - digits.length);
    at += 2 + length;
  }
  return raw;
}
