import {
  type CryptoKey,
  decodeJwt,
  errors,
  type FlattenedJWSInput,
  type JWSHeaderParameters,
  jwtVerify,
} from 'jose';
import { type Clock, epochSeconds } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import { type AccessToken, parseAccessToken } from './access-token.ts';

/** FAPI 2.0 §5.4.1. An allow-list: the header of the token chooses among these, not beyond. */
export const ALGORITHMS = ['ES256', 'PS256', 'EdDSA', 'Ed25519'];

/** Finds the key that a token names. @throws ERR_TOKEN_KEYS_UNAVAILABLE when keys cannot be had */
export type KeySource = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

export interface StructuredTokenRules {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly clockToleranceSeconds: number;
}

/** Whether the token looks like a JWT in compact form. */
export function isStructured(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);
}

/**
 * Proves that a JWT is an access token of the issuer for this audience, bound to some certificate.
 *
 * Does not check `exp`, which `authorize` does on every request because this verdict is remembered.
 *
 * @throws ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_KEYS_UNAVAILABLE
 * @see RFC 9068 §4
 */
export async function verifyStructuredToken(
  token: string,
  rules: StructuredTokenRules,
): Promise<AccessToken> {
  const claims = await signedClaims(token, rules);
  if (typeof claims.jti !== 'string') {
    throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'jti is missing' });
  }
  return parseAccessToken(claims, () => Object.freeze(decodeJwt(token)), {
    audience: rules.audience,
    now: epochSeconds(rules.clock.now()),
    clockToleranceSeconds: rules.clockToleranceSeconds,
  });
}

async function signedClaims(token: string, rules: StructuredTokenRules): Promise<Record<string, unknown>> {
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
