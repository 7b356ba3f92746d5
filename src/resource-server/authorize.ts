import { createHash } from 'node:crypto';
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import { type Clock, systemClock } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import type { PresentedCertificate } from '../mutual-tls/client-certificate.ts';
import { createOutbound } from '../outbound.ts';
import { type AccessToken, type KeySource, verifyAccessToken } from './access-token.ts';
import { findBearerToken, type RequestFacts } from './bearer-token.ts';
import { verifyBinding } from './certificate-binding.ts';
import { type FetchDocument, issuerKeys } from './issuer-keys.ts';
import { type TokenStatusLists, tokenStatusLists } from './token-status.ts';

export interface AuthorizerOptions {
  /** Issuer identifier of the authorization server; tokens of any other are refused. */
  readonly issuer: string;
  /** This API's resource identifier; tokens for any other are refused. */
  readonly audience: string;
  /** Where the issuer's keys are. Default: `<issuer>/jwks`, as our own server has it. */
  readonly jwksUri?: string;
  /** The issuer's keys themselves, instead of `jwksUri`. */
  readonly jwks?: JSONWebKeySet;
  /** PEM of the CA of the issuer's TLS certificate, where it is not a public one. */
  readonly caPem?: string;
  /** Reads documents of the issuer, instead of over HTTPS. */
  readonly fetchDocument?: FetchDocument;
  /**
   * Whether tokens are asked for in the issuer's token status lists. `maxAgeSeconds` (default 4) is how long a
   * revoked token can live on; `false` means until it expires.
   */
  readonly status?:
    | false
    | { readonly maxAgeSeconds?: number; readonly whenUnavailable?: 'refuse' | 'tolerate' };
  /** Leeway for the clocks of issuer and resource. Default 10. */
  readonly clockToleranceSeconds?: number;
  readonly clock?: Clock;
}

/** What a request needs. No scope means any live token that is bound to the presented certificate. */
export interface Requirement {
  readonly scopes: readonly string[];
}

/** A request together with the certificate of its connection; `undefined` when there is none. */
export interface RequestWithCertificate extends RequestFacts {
  readonly certificate: PresentedCertificate | undefined;
}

/** A proven authorization: a live token of the issuer, for this API, bound to the presented certificate. */
export type Authorization = Omit<AccessToken, 'status' | 'notBefore'>;

export interface Authorizer {
  /**
   * Decides about one request.
   *
   * @throws ERR_TOKEN_MISSING, ERR_TOKEN_REQUEST, ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED, ERR_TOKEN_UNBOUND,
   * ERR_CERT_MISSING, ERR_TOKEN_BINDING, ERR_TOKEN_REVOKED, ERR_TOKEN_STATUS_UNAVAILABLE,
   * ERR_TOKEN_KEYS_UNAVAILABLE, ERR_TOKEN_SCOPE
   */
  authorize(request: RequestWithCertificate, requirement: Requirement): Promise<Authorization>;
}

/** Proven tokens that are remembered, by the hash of the token: a signature costs 90 µs, a look-up one. */
const MAX_REMEMBERED = 10_000;
/** A list at our server may be one second old when it is read: together at most five. */
const STATUS_MAX_AGE_SECONDS = 4;
const CLOCK_TOLERANCE_SECONDS = 10;
const FETCH_TIMEOUT_SECONDS = 3;
const MAX_DOCUMENT_BYTES = 512 * 1024;

/**
 * Makes the decision point of a protected API (RFC 6750, RFC 8705 §3, RFC 9068 §4). There is no way to verify a
 * token without a certificate: a token that is not bound, or a request without the certificate, is refused.
 *
 * Does not validate the certificate itself: it must be the one that the token was issued for, and the
 * authorization server validated that one. Does not look at the consent behind `consentId`.
 *
 * @throws TypeError for options that cannot work
 */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const clock = options.clock ?? systemClock;
  const { keys, fetchDocument } = sourcesOf(options, clock);
  const rules = {
    issuer: httpsUrl(options.issuer, 'issuer'),
    audience: nonEmpty(options.audience, 'audience'),
    keys,
    clock,
    clockToleranceSeconds: options.clockToleranceSeconds ?? CLOCK_TOLERANCE_SECONDS,
  };
  const lists =
    options.status === false
      ? undefined
      : tokenStatusLists({
          issuer: options.issuer,
          keys,
          fetchDocument,
          clock,
          maxAgeSeconds: options.status?.maxAgeSeconds ?? STATUS_MAX_AGE_SECONDS,
          whenUnavailable: options.status?.whenUnavailable ?? 'refuse',
        });
  const proven = rememberProven((token) => verifyAccessToken(token, rules));

  return {
    async authorize(request, requirement) {
      const bearer = findBearerToken(request);
      if (request.certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
      const token = await proven(bearer);
      verifyBinding(token.thumbprint, request.certificate);
      verifyLife(token, clock, rules.clockToleranceSeconds);
      await verifyStatus(token, lists);
      verifyScopes(token, requirement);
      const { status, notBefore, ...authorization } = token;
      return Object.freeze(authorization);
    },
  };
}

function sourcesOf(
  options: AuthorizerOptions,
  clock: Clock,
): { readonly keys: KeySource; readonly fetchDocument: FetchDocument } {
  const issuer = httpsUrl(options.issuer, 'issuer');
  const fetchDocument = options.fetchDocument ?? overHttps(options);
  if (options.jwks !== undefined) return { keys: createLocalJWKSet(options.jwks), fetchDocument };
  const jwksUri = httpsUrl(options.jwksUri ?? `${issuer.replace(/\/$/, '')}/jwks`, 'jwksUri');
  return { keys: issuerKeys({ issuer, jwksUri, fetchDocument, clock }), fetchDocument };
}

function overHttps(options: AuthorizerOptions): FetchDocument {
  const outbound = createOutbound({
    // The operator named the issuer, and it is often in the same private network.
    allowPrivateAddresses: true,
    timeoutSeconds: FETCH_TIMEOUT_SECONDS,
    maxBytes: MAX_DOCUMENT_BYTES,
    ...(options.caPem === undefined ? {} : { caPem: options.caPem }),
  });
  return async (url) => {
    const { status, body } = await outbound.fetchBytes(url);
    if (status !== 200) throw new Error(`unexpected status ${status}`);
    return body;
  };
}

/** Remembers what was proved, never a refusal: those are cheap to repeat and would let strangers fill the memory. */
function rememberProven(
  verify: (token: string) => Promise<AccessToken>,
): (token: string) => Promise<AccessToken> {
  const remembered = new Map<string, AccessToken>();
  return async (token) => {
    const key = createHash('sha256').update(token).digest('base64url');
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const verified = await verify(token);
    if (remembered.size >= MAX_REMEMBERED) {
      const oldest = remembered.keys().next().value;
      if (oldest !== undefined) remembered.delete(oldest);
    }
    remembered.set(key, verified);
    return verified;
  };
}

function verifyLife(token: AccessToken, clock: Clock, toleranceSeconds: number): void {
  const now = clock.now().getTime();
  // No leeway for `exp`: the token would live longer than its issuer says.
  if (token.expiresAt.getTime() <= now) {
    throw new OpenBankingError('ERR_TOKEN_EXPIRED', { expiredAt: token.expiresAt });
  }
  if (token.notBefore !== undefined && token.notBefore.getTime() > now + toleranceSeconds * 1000) {
    throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'nbf is in the future' });
  }
}

async function verifyStatus(token: AccessToken, lists: TokenStatusLists | undefined): Promise<void> {
  if (lists === undefined) return;
  if (token.status === undefined) {
    throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'the token names no status' });
  }
  await lists.verifyLive(token.status);
}

function verifyScopes(token: AccessToken, requirement: Requirement): void {
  if (!requirement.scopes.every((scope) => token.scopes.includes(scope))) {
    throw new OpenBankingError('ERR_TOKEN_SCOPE', { needed: requirement.scopes, held: token.scopes });
  }
}

function httpsUrl(value: unknown, name: string): string {
  if (typeof value !== 'string' || !URL.canParse(value) || new URL(value).protocol !== 'https:') {
    throw new TypeError(`${name} must be an https URL`);
  }
  return value;
}

function nonEmpty(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a non-empty string`);
  return value;
}
