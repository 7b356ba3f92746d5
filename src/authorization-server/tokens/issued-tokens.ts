import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { publicKeys, type SigningKeyring } from '../signing/signing-keys.ts';

/** Tells our own live access tokens that are JWTs from everything else. */
export interface IssuedTokens {
  /** The claims, or undefined for a token that is not ours, not an access token or over. */
  verify(token: string): Promise<JWTPayload | undefined>;
}

export function createIssuedTokens(options: {
  readonly keys: SigningKeyring;
  readonly issuer: string;
}): IssuedTokens {
  const { issuer } = options;
  let keySet = createLocalJWKSet({ keys: [] });
  options.keys.follow((signing) => {
    keySet = createLocalJWKSet(publicKeys(signing));
  });
  return {
    async verify(token) {
      try {
        const rules = { issuer, typ: 'at+jwt', algorithms: ['ES256'], requiredClaims: ['exp'] };
        return (await jwtVerify(token, keySet, rules)).payload;
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined;
        throw error;
      }
    },
  };
}
