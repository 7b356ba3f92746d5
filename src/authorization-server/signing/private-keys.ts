import { constants, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { JWK } from 'jose';
import type { PublishedKey, SignatureAlgorithm, Signer } from './signer.ts';

const signInPool = promisify(sign);
/** Bytes of r and of s (P-256). */
const PART_BYTES = 32;
/** RFC 7518 §6.2.2, §6.3.2. */
const PRIVATE_MEMBERS = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth']);

/**
 * Private keys in memory, which sign in the thread pool. Without the pool a server on two cores issues 0.78 of the
 * tokens; with WebCrypto, which oidc-provider would use, 0.91 (`npm run bench -- tokens`, JWT).
 */
export class PrivateKeys implements Signer {
  readonly keys: readonly PublishedKey[];
  readonly #privateKeys: ReadonlyMap<string, { readonly alg: SignatureAlgorithm; readonly key: KeyObject }>;

  /** Takes JSON Web Keys with a kid and an alg. @throws TypeError or an error of node:crypto for another */
  constructor(jwks: readonly JWK[]) {
    this.keys = jwks.map(publishedKey);
    this.#privateKeys = new Map(
      jwks.map((jwk) => {
        const { kid, alg } = publishedKey(jwk);
        return [kid, { alg, key: createPrivateKey({ key: jwk, format: 'jwk' }) }];
      }),
    );
  }

  async sign(kid: string, data: Buffer): Promise<Buffer> {
    const found = this.#privateKeys.get(kid);
    if (found === undefined) throw new TypeError(`there is no key ${kid}`);
    return SIGNATURES[found.alg](data, found.key);
  }
}

/** The public part of a private key. */
export function publishedKey(jwk: JWK): PublishedKey {
  const { kid, alg } = jwk;
  if (kid === undefined || !isSignatureAlgorithm(alg))
    throw new TypeError('the key has no kid or another alg');
  return { ...publicMembers(jwk), kid, alg };
}

/** A key without its secrets. */
export function publicMembers(jwk: JWK): JWK {
  return Object.fromEntries(Object.entries(jwk).filter(([member]) => !PRIVATE_MEMBERS.has(member)));
}

export function isSignatureAlgorithm(alg: string | undefined): alg is SignatureAlgorithm {
  return alg !== undefined && Object.hasOwn(SIGNATURES, alg);
}

const SIGNATURES: Readonly<Record<SignatureAlgorithm, (data: Buffer, key: KeyObject) => Promise<Buffer>>> = {
  // DER is asked for: node's own `ieee-p1363` doubles the cost, by a slow conversion.
  ES256: async (data, key) => joseSignature(await signInPool('sha256', data, key)),
  PS256: (data, key) =>
    signInPool('sha256', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  EdDSA: (data, key) => signInPool(null, data, key),
};

/**
 * r and s one after the other (RFC 7518 §3.4), from
 *
 *     Ecdsa-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER }
 */
export function joseSignature(der: Buffer): Buffer {
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
