import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { TokenSources } from './introspection.ts';
import type { StatusClaim } from '../token-status/token-status.ts';

/**
 * Lets a client revoke an access token that is a JWT (RFC 7009 §2.1). The provider authenticates the client and
 * then refuses every JWT. A live token of that client which is refused so is revoked in the status list. Tokens of the
 * same grant that share its index end with it; the grant goes on.
 */
export function revokeStructuredTokens({ issuedTokens, tokenStatus }: TokenSources): Middleware {
  return async (ctx, next) => {
    await next();
    if (!isStructuredTokenRefused(ctx)) return;
    const { client, params } = (ctx as unknown as KoaContextWithOIDC).oidc;
    const claims = await issuedTokens.verify(String(params?.token));
    // A token that is not ours, not this client's or over is no concern of the caller: 200 all the same.
    if (claims !== undefined && client !== undefined && claims.client_id === client.clientId) {
      await tokenStatus.revoke(claims.status as StatusClaim);
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
