import { decodeJwt, errors } from 'jose';
import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { type AccessToken, parseAccessToken } from './access-token.ts';
import { verifyCompactSignature } from './compact-signature.ts';
import type { KeySource } from './issuer-keys.ts';

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
 * Does not check `exp`, which `authorize` does on every request because this proof is cached.
 *
 * @throws ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_KEYS_UNAVAILABLE
 * @see RFC 9068 §4
 */
export async function verifyStructuredToken(
  token: string,
  rules: StructuredTokenRules,
): Promise<AccessToken> {
  const claims = await signedClaims(token, rules);
  if (claims.iss !== rules.issuer) {
    throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'iss is not the issuer' });
  }
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
    // The dates are judged on every request: see `authorize`.
    return await verifyCompactSignature(token, { typ: 'at+jwt', keys: rules.keys });
  } catch (error) {
    // No key of the issuer has this name, or several have.
    if (error instanceof errors.JOSEError) {
      throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: error.code }, { cause: error });
    }
    throw error;
  }
}
