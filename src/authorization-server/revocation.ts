import { createLocalJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { ENDPOINTS } from './routes.ts';
import { publicKeys, type SigningKeyring } from './signing-keys.ts';
import type { StatusClaim, TokenStatus } from './token-status.ts';

export interface RevocationOptions {
  readonly keys: SigningKeyring;
  readonly issuer: string;
  readonly tokenStatus: TokenStatus;
}

/**
 * Lets a client revoke an access token that is a JWT (RFC 7009 §2.1). The provider authenticates the client and
 * then refuses every JWT; what it refuses so, and is a live token of that client, is marked in the status list.
 * As with opaque tokens, the other access tokens of the grant end with it.
 */
export function revokeStructuredTokens(options: RevocationOptions): Middleware {
  let keySet = createLocalJWKSet({ keys: [] });
  options.keys.follow((signing) => {
    keySet = createLocalJWKSet(publicKeys(signing));
  });
  return async (ctx, next) => {
    await next();
    if (ctx.path !== ENDPOINTS.revocation || !isStructuredTokenRefused(ctx)) return;
    const { client, params } = (ctx as unknown as KoaContextWithOIDC).oidc;
    const claims = await verified(String(params?.token), keySet, options.issuer);
    // A token that is not ours, not this client's or over is no concern of the caller: 200 all the same.
    if (claims !== undefined && client !== undefined && claims.client_id === client.clientId) {
      await options.tokenStatus.revoke(claims.status as StatusClaim);
    }
    ctx.state.fault = undefined;
    ctx.status = 200;
    ctx.body = '';
    ctx.remove('content-type');
  };
}

function isStructuredTokenRefused(ctx: Context): boolean {
  const body = ctx.body as { readonly error?: string } | undefined;
  return body?.error === 'unsupported_token_type';
}

async function verified(
  token: string,
  keySet: ReturnType<typeof createLocalJWKSet>,
  issuer: string,
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, keySet, { issuer, typ: 'at+jwt', algorithms: ['ES256'] });
    return payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
