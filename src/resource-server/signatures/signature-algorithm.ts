import { constants, type KeyObject, sign, verify } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';

/** JWS names; `PS512` is `rsa-pss-sha512` of RFC 9421 §3.3.1. FAPI 2.0 §5.4.1 knows the other three. */
export type SignatureAlgorithm = 'ES256' | 'PS256' | 'PS512' | 'EdDSA';

/** The names of RFC 9421 §6.2.2. PS256 has none: §3.3.7 leaves out `alg` for algorithms of JWS. */
const REGISTERED: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['ecdsa-p256-sha256', 'ES256'],
  ['ed25519', 'EdDSA'],
  ['rsa-pss-sha512', 'PS512'],
]);

/**
 * The algorithms that a key is good for, the usual one first: the key decides, never the message alone (RFC 8725 §3.1).
 * Empty for a key of any other kind.
 */
export function algorithmsOf(key: KeyObject, alg?: string): readonly SignatureAlgorithm[] {
  const named = alg === 'Ed25519' ? 'EdDSA' : alg;
  return possible(key).filter((one) => named === undefined || one === named);
}

function possible(key: KeyObject): readonly SignatureAlgorithm[] {
  if (key.asymmetricKeyType === 'ed25519') return ['EdDSA'];
  if (key.asymmetricKeyType === 'rsa') return ['PS256', 'PS512'];
  const isP256 = key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return isP256 ? ['ES256'] : [];
}

/**
 * The algorithm of a message that may name one by its registered name.
 *
 * @throws ERR_SIGNATURE_ALGORITHM when the key is not for that algorithm
 */
export function chosenAlgorithm(
  { key, alg }: { readonly key: KeyObject; readonly alg?: string | undefined },
  name: string | undefined,
): SignatureAlgorithm {
  const allowed = algorithmsOf(key, alg);
  const chosen = name === undefined ? allowed[0] : REGISTERED.get(name);
  if (chosen === undefined || !allowed.includes(chosen)) {
    throw wrongAlgorithm(
      name === undefined
        ? 'the key is for no algorithm of ours'
        : `${name} with a key for ${allowed.join(', ')}`,
    );
  }
  return chosen;
}

/** Whether the signature over the bytes is of this key. ECDSA signatures have the form of JWS: r and s side by side. */
export function isSignatureBy(
  key: KeyObject,
  algorithm: SignatureAlgorithm,
  { signed, signature }: { readonly signed: Uint8Array; readonly signature: Uint8Array },
): boolean {
  const { hash, ...options } = METHODS[algorithm];
  return verify(hash, signed, { key, ...options }, signature);
}

export function signBytes(key: KeyObject, algorithm: SignatureAlgorithm, bytes: Uint8Array): Buffer {
  const { hash, ...options } = METHODS[algorithm];
  return sign(hash, bytes, { key, ...options });
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING };
const METHODS = {
  ES256: { hash: 'sha256', dsaEncoding: 'ieee-p1363' },
  PS256: { hash: 'sha256', ...PSS, saltLength: 32 },
  PS512: { hash: 'sha512', ...PSS, saltLength: 64 },
  EdDSA: { hash: null },
} as const;

export function wrongAlgorithm(problem: string): OpenBankingError<'ERR_SIGNATURE_ALGORITHM'> {
  return new OpenBankingError('ERR_SIGNATURE_ALGORITHM', { problem });
}
