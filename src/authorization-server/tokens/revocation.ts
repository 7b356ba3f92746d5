import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { consentIdOf } from '../../consent/consent.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Log } from '../../events.ts';
import { requestFields } from '../request/access-log.ts';
import type { TokenSources } from './introspection.ts';
import type { StatusClaim } from '../token-status/token-status.ts';

/** A token that a client has revoked, and the consent whose grant ended with it. */
interface RevokedToken {
  readonly kind: string;
  readonly consentId: string | undefined;
  readonly psuId: string | undefined;
}

/**
 * Reports each token that a client revokes, and lets a client revoke an access token that is a JWT (RFC 7009 §2.1). The
 * provider authenticates the client and then refuses every JWT. A live token of that client which is refused so is
 * revoked in the status list. Tokens of the same grant that share its index end with it; the grant goes on.
 */
export function revokeTokens(
  { issuedTokens, tokenStatus }: TokenSources,
  { log, secret }: { readonly log: Log; readonly secret: Buffer },
): Middleware {
  const report = (ctx: Context, { kind, consentId, psuId }: RevokedToken) => {
    const consent = consentId === undefined ? {} : { consentId };
    log.emit('token.revoked', { ...requestFields(ctx), ...consent, ...psuField(secret, psuId), kind });
  };
  return async (ctx, next) => {
    await next();
    const revoked = revokedByProvider(ctx);
    if (revoked !== undefined) report(ctx, revoked);
    if (!isStructuredTokenRefused(ctx)) return;
    let structured: RevokedToken | undefined;
    const { client, params } = (ctx as unknown as KoaContextWithOIDC).oidc;
    const claims = await issuedTokens.verify(String(params?.token));
    // A token that is not ours, not this client's or over is no concern of the caller: 200 all the same.
    if (claims !== undefined && client !== undefined && claims.client_id === client.clientId) {
      await tokenStatus.revoke(claims.status as StatusClaim);
      structured = { kind: 'JWT', consentId: claims.consent_id as string | undefined, psuId: undefined };
    }
    ctx.state.fault = undefined;
    ctx.status = 200;
    ctx.body = '';
    ctx.remove('content-type');
    if (structured !== undefined) report(ctx, structured);
  };
}

/** The token of this client that the provider has found and ended. */
function revokedByProvider(ctx: Context): RevokedToken | undefined {
  const { oidc } = ctx as Partial<KoaContextWithOIDC>;
  if (oidc === undefined || ctx.status !== 200 || ctx.state.fault !== undefined) return undefined;
  const { RefreshToken, AccessToken, ClientCredentials } = oidc.entities;
  const token = RefreshToken ?? AccessToken ?? ClientCredentials;
  if (token === undefined || token.clientId !== oidc.client?.clientId) return undefined;
  const { kind } = token;
  if (!('grantId' in token)) return { kind, consentId: undefined, psuId: undefined };
  const { grantId, accountId } = token;
  return { kind, consentId: grantId === undefined ? undefined : consentIdOf(grantId), psuId: accountId };
}

function isStructuredTokenRefused(ctx: Context): boolean {
  const body = ctx.body as { readonly error?: string } | undefined;
  return body?.error === 'unsupported_token_type';
}
