import type { JWK } from 'jose';
import { OpenBankingError } from '../../errors.ts';
import { findJwkProblem, PRIVATE_MEMBERS } from '../../x509/certificate/public-jwk.ts';
import { algorithmOf } from '../profiles/client-rules.ts';
import { certificatesOf } from './self-signed/registered-certificates.ts';

type Members = Readonly<Record<string, unknown>>;

const MAX_KEYS = 50;

/** The members of a JWK set that are of use. */
export interface KeySet {
  /** Public keys for signatures and for encryption. */
  readonly keys: readonly JWK[];
  /** Thumbprints (`x5t#S256`) of the certificates for TLS. */
  readonly certificates: readonly string[];
}

/**
 * The usable keys of a JWK set (RFC 7517 §5). Keys of other types are left out. Keys for TLS (`use: tls`), and certificates
 * without `use: sig`, are no keys for signatures. Does not check the chain of `x5c`.
 *
 * @throws ERR_OUTBOUND_ANSWER for a set that is not well formed or too long, or with a private, symmetric or weak key
 */
export function parseKeySet(body: Buffer, host: string): KeySet {
  const unusable = (problem: string, cause?: unknown) =>
    new OpenBankingError('ERR_OUTBOUND_ANSWER', { host, problem }, { cause });
  const keys = keysOf(body, unusable);
  if (keys.length > MAX_KEYS) throw unusable(`the key set has more than ${MAX_KEYS} keys`);
  const usable = keys.filter((key) => {
    if (PRIVATE_MEMBERS.some((name) => name in key))
      throw unusable('the key set has a private or symmetric key');
    if (!isForUs(key)) return false;
    const problem = findJwkProblem(key);
    if (problem !== undefined) throw unusable(`a key of the set ${problem}`);
    return true;
  });
  return Object.freeze({
    keys: Object.freeze(usable.map((key) => Object.freeze(withoutCertificates(key)))),
    certificates: Object.freeze(certificatesOf(keys)),
  });
}

function keysOf(body: Buffer, unusable: (problem: string, cause?: unknown) => Error): readonly Members[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (cause) {
    throw unusable('the key set is not JSON', cause);
  }
  const keys = isObject(parsed) ? parsed.keys : undefined;
  if (!Array.isArray(keys) || !keys.every(isObject))
    throw unusable('there is no key set (RFC 7517 section 5)');
  return keys;
}

function isForUs({ use, x5c, ...key }: Members): boolean {
  if (use === 'enc') return key.kty === 'RSA' || key.kty === 'EC';
  const isForSignatures = use === 'sig' || (use === undefined && x5c === undefined);
  return isForSignatures && algorithmOf(key) !== undefined;
}

/** The members of the key itself, so that no one reads a certificate for a key. */
function withoutCertificates(key: Members): JWK {
  const kept = ['kty', 'kid', 'use', 'alg', 'n', 'e', 'crv', 'x', 'y'];
  return Object.fromEntries(Object.entries(key).filter(([name]) => kept.includes(name)));
}

function isObject(value: unknown): value is Members {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
