import { createLocalJWKSet, errors, type JSONWebKeySet } from 'jose';
import type { Clock } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import type { KeySource } from './access-token.ts';

/** Reads a document of the issuer. @throws when it cannot be had */
export type FetchDocument = (url: string) => Promise<Buffer>;

export interface IssuerKeysOptions {
  readonly issuer: string;
  readonly jwksUri: string;
  readonly fetchDocument: FetchDocument;
  readonly clock: Clock;
}

/** A key that left the issuer's set is refused after this long at the latest. */
const FRESH_SECONDS = 300;
/** A token with an unknown `kid` makes us look again, but not more often than this. */
const COOL_DOWN_SECONDS = 30;

type LocalKeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * The issuer's keys, read from its `jwks_uri` and again when they are old or a token names an unknown one. One
 * request at a time. The keys of the last good answer serve while the issuer cannot be reached.
 */
export function issuerKeys(options: IssuerKeysOptions): KeySource {
  let known: LocalKeySet | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  let triedAt = Number.NEGATIVE_INFINITY;
  let pending: Promise<LocalKeySet> | undefined;

  const now = () => options.clock.now().getTime() / 1000;
  const read = async (): Promise<LocalKeySet> => {
    triedAt = now();
    const set: unknown = JSON.parse((await options.fetchDocument(options.jwksUri)).toString('utf8'));
    known = createLocalJWKSet(set as JSONWebKeySet);
    readAt = now();
    return known;
  };
  const refreshed = (): Promise<LocalKeySet> => {
    pending ??= read().finally(() => {
      pending = undefined;
    });
    return pending;
  };
  const current = async (): Promise<LocalKeySet> => {
    if (known !== undefined && now() - readAt < FRESH_SECONDS) return known;
    if (known !== undefined && now() - triedAt < COOL_DOWN_SECONDS) return known;
    try {
      return await refreshed();
    } catch (cause) {
      if (known !== undefined) return known;
      throw new OpenBankingError('ERR_TOKEN_KEYS_UNAVAILABLE', { issuer: options.issuer }, { cause });
    }
  };

  return async (header, token) => {
    const keys = await current();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || now() - triedAt < COOL_DOWN_SECONDS) throw error;
      const newer = await refreshed().catch(() => keys);
      return newer(header, token);
    }
  };
}
