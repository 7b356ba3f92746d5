import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type CryptoKey,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
} from 'jose';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { createRefreshable } from '../../remote/refreshable.ts';
import { findJwkProblem } from '../../x509/certificate/public-jwk.ts';
import type { FetchDocument } from './issuer-documents.ts';

/** Finds the key that a token names. @throws ERR_TOKEN_KEYS_UNAVAILABLE when keys cannot be had */
export type KeySource = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

export interface IssuerKeysOptions {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly fetchDocument: FetchDocument;
  readonly clock: Clock;
}

/** A key that left the issuer's set is refused after this long at the latest. */
export const KEYS_FRESH_SECONDS = 300;
/** A token with an unknown `kid` makes us look again, but not more often than this. */
const UNKNOWN_KEY_SECONDS = 5;
const COOL_DOWN_SECONDS = 1;

/**
 * The issuer's keys, read from its `jwks_uri` and again when they are old or a token names an unknown one. The
 * keys of the last good answer serve while the issuer cannot be reached.
 */
export function issuerKeys(options: IssuerKeysOptions): KeySource {
  const keys = createRefreshable({
    clock: options.clock,
    coolDownSeconds: COOL_DOWN_SECONDS,
    read: async () => {
      const document = await options.fetchDocument(options.jwksUri);
      if (document === 'unchanged') throw new Error('an unconditional request has no such answer');
      const set: unknown = JSON.parse(document.body.toString('utf8'));
      return createLocalJWKSet(withoutBadKeys(set as JSONWebKeySet));
    },
  });
  const current = async (maxAgeSeconds: number) => {
    try {
      return (await keys.fresh(maxAgeSeconds)).value;
    } catch (cause) {
      if (keys.last !== undefined) return keys.last.value;
      throw new OpenBankingError('ERR_TOKEN_KEYS_UNAVAILABLE', { issuer: options.issuer }, { cause });
    }
  };
  return async (header, token) => {
    const known = await current(KEYS_FRESH_SECONDS);
    try {
      return await known(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await current(UNKNOWN_KEY_SECONDS);
      return newer(header, token);
    }
  };
}

/** One key that is weak or broken must not make every token a fault (RFC 7517 §5: ignore what is not usable). */
function withoutBadKeys(set: JSONWebKeySet): JSONWebKeySet {
  if (!Array.isArray(set?.keys)) return set;
  return { ...set, keys: set.keys.filter((jwk) => findJwkProblem({ ...jwk }) === undefined) };
}
