import { type CryptoKey, errors, type FlattenedJWSInput, type JWSHeaderParameters, jwtVerify } from 'jose';
import { type Clock, epochSeconds } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import { boundThumbprint } from './certificate-binding.ts';

/** FAPI 2.0 §5.4.1. An allow-list: the header of the token chooses among these, not beyond. */
const ALGORITHMS = ['ES256', 'PS256', 'EdDSA', 'Ed25519'];

/** Finds the key that a token names. @throws ERR_TOKEN_KEYS_UNAVAILABLE when keys cannot be had */
export type KeySource = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

/** Where the status of a token is kept (draft-ietf-oauth-status-list §6.1). */
export interface StatusReference {
  readonly index: number;
  readonly uri: string;
}

/** An access token whose signature and fixed claims are proved. Its life, binding and scope are not judged here. */
export interface AccessToken {
  readonly tokenId: string;
  readonly clientId: string;
  readonly subject: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly expiresAt: Date;
  readonly notBefore?: Date;
  /** `x5t#S256` of the certificate that it is bound to. */
  readonly thumbprint: string;
  readonly status?: StatusReference;
  readonly consentId?: string;
  readonly authorizationNumber?: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface AccessTokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: KeySource;
  readonly clock: Clock;
  /** For `iat` of tokens from a server whose clock runs ahead. */
  readonly clockToleranceSeconds: number;
}

/**
 * Proves that a JWT is an access token of the issuer for this audience, bound to some certificate.
 *
 * Does not check `exp`, which `authorize` does on every request because this verdict is remembered.
 *
 * @throws ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_KEYS_UNAVAILABLE
 * @see RFC 9068 §4
 */
export async function verifyAccessToken(token: string, rules: AccessTokenRules): Promise<AccessToken> {
  const claims = await signedClaims(token, rules);
  const { client_id: clientId, sub, jti, aud, exp, scope } = claims;
  if (typeof clientId !== 'string' || typeof sub !== 'string' || typeof jti !== 'string') {
    throw invalid('client_id, sub or jti is missing');
  }
  // One resource a token: a list would let a token for another API pass here (RFC 9068 §3).
  if (aud !== rules.audience) throw invalid('aud is not this resource');
  if (typeof exp !== 'number' || !Number.isSafeInteger(exp)) throw invalid('exp is missing');
  if (scope !== undefined && typeof scope !== 'string') throw invalid('scope is not a string');
  const now = epochSeconds(rules.clock.now());
  const issuedAt = claims.iat;
  if (typeof issuedAt !== 'number' || issuedAt > now + rules.clockToleranceSeconds) {
    throw invalid('iat is missing or in the future');
  }
  const status = statusReference(claims.status);
  return Object.freeze({
    tokenId: jti,
    clientId,
    subject: sub,
    audience: aud,
    scopes: Object.freeze((scope ?? '').split(' ').filter(Boolean)),
    expiresAt: new Date(exp * 1000),
    ...(typeof claims.nbf === 'number' ? { notBefore: new Date(claims.nbf * 1000) } : {}),
    thumbprint: boundThumbprint(claims.cnf),
    ...(status === undefined ? {} : { status }),
    ...(typeof claims.consent_id === 'string' ? { consentId: claims.consent_id } : {}),
    ...(typeof claims.authorization_number === 'string'
      ? { authorizationNumber: claims.authorization_number }
      : {}),
    claims: Object.freeze(claims),
  });
}

async function signedClaims(token: string, rules: AccessTokenRules): Promise<Record<string, unknown>> {
  try {
    const { payload } = await jwtVerify(token, rules.keys, {
      algorithms: ALGORITHMS,
      typ: 'at+jwt',
      issuer: rules.issuer,
      // The dates are judged on every request: see `authorize`.
      currentDate: new Date(0),
      clockTolerance: Number.MAX_SAFE_INTEGER,
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) {
      throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: error.code }, { cause: error });
    }
    throw error;
  }
}

function statusReference(claim: unknown): StatusReference | undefined {
  if (claim === undefined) return undefined;
  const list =
    typeof claim === 'object' && claim !== null && 'status_list' in claim ? claim.status_list : undefined;
  if (typeof list !== 'object' || list === null || !('idx' in list) || !('uri' in list)) {
    throw invalid('status is not a status_list reference');
  }
  const { idx, uri } = list;
  if (typeof idx !== 'number' || !Number.isSafeInteger(idx) || idx < 0 || typeof uri !== 'string') {
    throw invalid('status_list is malformed');
  }
  return Object.freeze({ index: idx, uri });
}

function invalid(problem: string): OpenBankingError<'ERR_TOKEN_INVALID'> {
  return new OpenBankingError('ERR_TOKEN_INVALID', { problem });
}
