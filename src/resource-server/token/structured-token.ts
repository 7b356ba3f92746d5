import { decodeJwt, errors } from 'jose';
import { type AccessToken, invalidToken, parseAccessToken, type TokenRules } from './access-token.ts';
import { verifyCompactSignature } from './compact-signature.ts';

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
export async function verifyStructuredToken(token: string, rules: TokenRules): Promise<AccessToken> {
  const claims = await signedClaims(token, rules);
  if (claims.iss !== rules.issuer) throw invalidToken('iss is not the issuer');
  if (typeof claims.jti !== 'string') throw invalidToken('jti is missing');
  return parseAccessToken(claims, () => Object.freeze(decodeJwt(token)), rules);
}

async function signedClaims(token: string, { keys }: TokenRules): Promise<Record<string, unknown>> {
  try {
    // The dates are judged on every request: see `authorize`.
    return await verifyCompactSignature(token, { typ: 'at+jwt', keys });
  } catch (error) {
    // No key of the issuer has this name, or several have.
    if (error instanceof errors.JOSEError) throw invalidToken(error.code, error);
    throw error;
  }
}
