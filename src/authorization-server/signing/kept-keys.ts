import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { invalidConfig, type OpenBankingError } from '../../errors.ts';
import { isEncryptionKey } from './encryption-keys.ts';
import { isSignatureAlgorithm } from './private-keys.ts';

/**
 * A key of a file or a list. The key signs from `use_from` on (epoch seconds; none: always). Before, the key is only
 * published, so that resource servers have it before its first signature. A key for encryption decrypts always, and is
 * published from `use_from` on.
 */
export interface KeptKey extends JWK {
  readonly use_from?: number;
}

/** The place of a set of keys, for refusals, and the time at which the set is judged. */
export interface KeySource {
  readonly source: string;
  /** The field of the configuration. Default `signingKeysFile`. */
  readonly place?: string | undefined;
  /** Epoch seconds. */
  readonly now: number;
}

const generate = promisify(generateKeyPair);

/** Makes a new set: one ES256 key (access tokens, ID tokens) and one PS256 key (clients that ask for it). */
export async function createSigningKeys(): Promise<{ readonly keys: readonly JWK[] }> {
  const [elliptic, rsa] = await Promise.all([
    generate('ec', { namedCurve: 'P-256' }),
    generate('rsa', { modulusLength: 3072 }),
  ]);
  return {
    keys: await Promise.all([
      signingJwk(await exportJWK(elliptic.privateKey), 'ES256'),
      signingJwk(await exportJWK(rsa.privateKey), 'PS256'),
    ]),
  };
}

/** A key with its algorithm, and its thumbprint as kid (RFC 7638). */
export async function signingJwk(jwk: JWK, alg: string): Promise<JWK & { readonly kid: string }> {
  return { ...jwk, alg, use: 'sig', kid: await calculateJwkThumbprint(jwk) };
}

/**
 * The published keys at `now`: of each algorithm the newest key in use comes first, then older keys whose signatures may
 * not have expired, and keys to come. A key is left out `retainSeconds` after its successor took over.
 */
export function presentKeys(kept: readonly KeptKey[], now: number, retainSeconds: number): readonly JWK[] {
  const inUse = kept.filter((key) => useFrom(key) <= now).toSorted((a, b) => useFrom(b) - useFrom(a));
  const recent = inUse.filter((key) => {
    const successor = inUse.findLast((other) => other.alg === key.alg && useFrom(other) > useFrom(key));
    return successor === undefined || useFrom(successor) + retainSeconds > now;
  });
  const toCome = kept.filter((key) => useFrom(key) > now);
  return [...recent, ...toCome].map(({ use_from: _useFrom, ...jwk }) => jwk);
}

export function signatureKeys(kept: readonly KeptKey[]): readonly KeptKey[] {
  return kept.filter((key) => !isEncryptionKey(key));
}

/** The keys to which clients encrypt at `now`: the newest of each algorithm. */
export function encryptionKeysInUse(kept: readonly KeptKey[], now: number): readonly JWK[] {
  const inUse = presentKeys(
    kept.filter((key) => isEncryptionKey(key) && useFrom(key) <= now),
    now,
    0,
  );
  return inUse.filter((key, at) => inUse.findIndex(({ alg }) => alg === key.alg) === at);
}

/** The next time at which `presentKeys` changes. */
export function nextTurn(kept: readonly KeptKey[], now: number, retainSeconds: number): number | undefined {
  return kept
    .flatMap((key) => [useFrom(key), useFrom(key) + retainSeconds])
    .filter((at) => at > now)
    .toSorted((a, b) => a - b)[0];
}

/** The time from which the key signs. */
export function useFrom(key: KeptKey): number {
  return key.use_from ?? 0;
}

/**
 * Reads the private keys of a file, for signatures and encryption.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function parseKeys(content: string, from: KeySource): readonly KeptKey[] {
  const keys = parseKeySet(content, from, {
    isKey: (key) =>
      (isSignatureAlgorithm(key.alg) || isEncryptionKey(key)) && Boolean(key.kid) && Boolean(key.d),
    rule: 'every key must be private and have a kid and an alg of PS256, ES256 or EdDSA, or the use enc and an alg of RSA-OAEP-256 or ECDH-ES',
  });
  assertSigning(keys, from);
  return keys;
}

/**
 * Reads a JSON Web Key Set whose every key follows a rule.
 *
 * @throws ERR_CONFIG_INVALID
 */
export function parseKeySet<Key extends KeptKey>(
  content: string,
  from: Omit<KeySource, 'now'>,
  { isKey, rule }: { readonly isKey: (key: KeptKey) => boolean; readonly rule: string },
): readonly Key[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw invalidKeys(from, 'is not JSON');
  }
  const keys =
    typeof parsed === 'object' && parsed !== null && 'keys' in parsed && Array.isArray(parsed.keys)
      ? (parsed.keys as Key[])
      : [];
  if (!keys.every((key) => typeof key === 'object' && key !== null && isKey(key)))
    throw invalidKeys(from, rule);
  if (new Set(keys.map((key) => key.kid)).size !== keys.length) throw invalidKeys(from, 'has a kid twice');
  if (!keys.every((key) => key.use_from === undefined || Number.isSafeInteger(key.use_from))) {
    throw invalidKeys(from, 'use_from must be whole seconds since the epoch');
  }
  return keys;
}

/** @throws ERR_CONFIG_INVALID when no key signs ES256 now */
export function assertSigning(keys: readonly KeptKey[], from: KeySource): void {
  if (!keys.some((key) => key.alg === 'ES256' && useFrom(key) <= from.now)) {
    throw invalidKeys(from, 'must hold a key for ES256 that is in use');
  }
}

export function invalidKeys(
  { source, place = 'signingKeysFile' }: Omit<KeySource, 'now'>,
  message: string,
  cause?: unknown,
): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return invalidConfig(source, [{ path: place, message }], cause);
}
