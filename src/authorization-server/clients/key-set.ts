import type { JWK } from 'jose';
import { OpenBankingError } from '../../errors.ts';
import { findJwkProblem, PRIVATE_MEMBERS } from '../../x509/certificate/public-jwk.ts';
import { algorithmOf } from '../profiles/client-rules.ts';

type Members = Readonly<Record<string, unknown>>;

const MAX_KEYS = 50;

/**
 * The usable public keys of a JWK set (RFC 7517 §5), for signatures and for encryption. Keys of other types, those for TLS
 * (`use: tls`), and certificates without `use: sig` are left out. Does not check the chain of `x5c`, which is never read.
 *
 * @throws ERR_OUTBOUND_ANSWER for a set that is not well formed or too long, or with a private, symmetric or weak key
 */
export function parseKeySet(body: Buffer, host: string): readonly JWK[] {
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
  return Object.freeze(usable.map((key) => Object.freeze(withoutCertificates(key))));
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
