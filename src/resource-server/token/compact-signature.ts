import { constants, KeyObject, verify } from 'node:crypto';
import type { CryptoKey, JWSHeaderParameters } from 'jose';
import { OpenBankingError } from '../../errors.ts';
import { ALGORITHMS } from './algorithms.ts';
import type { KeySource } from './issuer-keys.ts';

const PART = /^[A-Za-z0-9_-]+$/;
const P256_BYTES = 32;

/** A key and what it is: OpenSSL is slow to tell. */
interface KnownKey {
  readonly object: KeyObject;
  readonly kind: string;
}

const knownKeys = new WeakMap<CryptoKey, KnownKey>();
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Proves the signature of a JWT in compact form and answers with its claims (RFC 7515 §5.2, RFC 8725). Stricter than
 * the format: base64url in its one spelling, no `crit`, no `b64`, the exact type. The key is chosen by `keys` among
 * the issuer's own; synchronous after that: the way through the thread pool costs more than it spares.
 *
 * Does not look at the claims.
 *
 * @throws ERR_TOKEN_INVALID, and what `keys` throws
 */
export async function verifyCompactSignature(
  token: string,
  { typ, keys }: { readonly typ: string; readonly keys: KeySource },
): Promise<Record<string, unknown>> {
  const [protectedHeader = '', payload = '', signature = '', more] = token.split('.');
  if (more !== undefined) throw invalid('it has more than three parts');
  const header: JWSHeaderParameters = parseObject(protectedHeader);
  if (header.typ !== typ && header.typ !== `application/${typ}`) throw invalid(`typ is not ${typ}`);
  if ('crit' in header || 'b64' in header) throw invalid('it has a critical header');
  if (typeof header.alg !== 'string' || !ALGORITHMS.includes(header.alg)) throw invalid('alg is not allowed');
  const key = knownKey(await keys(header, { payload, signature, protected: protectedHeader }));
  const signed = Buffer.from(token.slice(0, protectedHeader.length + 1 + payload.length), 'latin1');
  if (!isSignature(header.alg, { signed, key, signature: decoded(signature) })) {
    throw invalid('the signature does not verify');
  }
  return parseObject(payload);
}

function knownKey(key: CryptoKey): KnownKey {
  const known = knownKeys.get(key);
  if (known !== undefined) return known;
  const object = KeyObject.from(key);
  const kind = object.asymmetricKeyDetails?.namedCurve ?? object.asymmetricKeyType ?? 'secret';
  const made = { object, kind };
  knownKeys.set(key, made);
  return made;
}

interface Signed {
  readonly signed: Buffer;
  readonly key: KnownKey;
  readonly signature: Buffer;
}

/** The algorithm must be the one for this kind of key (RFC 8725 §3.1). */
function isSignature(alg: string, { signed, key: { object, kind }, signature }: Signed): boolean {
  if (alg === 'ES256' && kind === 'prime256v1') {
    return signature.length === 2 * P256_BYTES && verify('sha256', signed, object, derSignature(signature));
  }
  if (alg === 'PS256' && kind === 'rsa') {
    const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    return verify('sha256', signed, { key: object, ...padding }, signature);
  }
  return (
    (alg === 'EdDSA' || alg === 'Ed25519') && kind === 'ed25519' && verify(null, signed, object, signature)
  );
}

/** RFC 7518 §3.4 has r and s in a row, OpenSSL a SEQUENCE; letting it convert costs twice the time. */
function derSignature(signature: Buffer): Buffer {
  const integers = [signature.subarray(0, P256_BYTES), signature.subarray(P256_BYTES)].map((octets) => {
    let at = 0;
    while (at < octets.length - 1 && octets[at] === 0) at += 1;
    const value = octets.subarray(at);
    const sign = (value[0] ?? 0) >= 0x80 ? [0] : [];
    return Buffer.from([0x02, value.length + sign.length, ...sign, ...value]);
  });
  const length = integers.reduce((sum, one) => sum + one.length, 0);
  return Buffer.concat([Buffer.from([0x30, length]), ...integers]);
}

/** One signature has one spelling: no padding, no other alphabet, no stray bits at the end (RFC 4648 §3.5). */
function decoded(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (!PART.test(part) || bytes.toString('base64url') !== part) throw invalid('a part is not base64url');
  return bytes;
}

function parseObject(part: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(UTF8.decode(decoded(part)));
  } catch (cause) {
    if (cause instanceof OpenBankingError) throw cause;
    throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'a part is not JSON' }, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('a part is no object');
  return { ...value };
}

function invalid(problem: string): OpenBankingError<'ERR_TOKEN_INVALID'> {
  return new OpenBankingError('ERR_TOKEN_INVALID', { problem });
}
