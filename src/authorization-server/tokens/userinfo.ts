import type { Context, Middleware } from 'koa';
import type { ConsentRecords } from '../../consent/consent.ts';
import { OpenBankingError } from '../../errors.ts';
import { hexPrefix } from '../../events.ts';
import { oauthAnswer } from '../request/oauth-error.ts';
import { gateCertificate } from '../request/tpp-gate.ts';
import type { StatusClaim } from '../token-status/token-status.ts';
import { findTokenClaims, type TokenSources } from './introspection.ts';

const BEARER = /^Bearer +([\w\-.~+/]+=*)$/i;

/**
 * Answers `/userinfo` for a token that opens an API too (OpenID Connect Core §5.3). The provider itself takes only tokens
 * for `openid` alone. The scopes of the customer's consent decide, since the token names the scopes of the API only. The
 * one claim is `sub`.
 *
 * Throws ERR_TOKEN_BINDING, ERR_TOKEN_REVOKED, ERR_TOKEN_SCOPE. Every request with another token goes on to the provider.
 */
export function userinfoForApiTokens(
  sources: TokenSources,
  consents: Pick<ConsentRecords, 'find'>,
): Middleware {
  return async (ctx, next) => {
    const [, token] = BEARER.exec(ctx.get('authorization')) ?? [];
    const claims = token === undefined ? undefined : await findTokenClaims(token, sources);
    if (claims?.aud === undefined) return next();
    const { status, cnf, consent_id: consentId, sub, scope } = claims;
    const bound = (cnf as { readonly 'x5t#S256'?: string } | undefined)?.['x5t#S256'];
    const presented = gateCertificate(ctx)?.thumbprint;
    if (bound === undefined || bound !== presented) {
      throw challenged(
        ctx,
        new OpenBankingError('ERR_TOKEN_BINDING', {
          bound: hexPrefix(bound ?? ''),
          presented: hexPrefix(presented ?? ''),
        }),
      );
    }
    const reference = status as StatusClaim;
    if (!(await sources.tokenStatus.isLive(reference))) {
      const statusList = reference.status_list.uri;
      throw challenged(ctx, new OpenBankingError('ERR_TOKEN_REVOKED', { statusList }));
    }
    const consent = typeof consentId === 'string' ? await consents.find(consentId) : undefined;
    if (consent?.scopes.includes('openid') !== true) {
      const held = String(scope ?? '').split(' ');
      throw challenged(ctx, new OpenBankingError('ERR_TOKEN_SCOPE', { needed: ['openid'], held }));
    }
    ctx.set('cache-control', 'no-store');
    ctx.body = { sub };
  };
}

/** RFC 6750 §3. */
function challenged(ctx: Context, refusal: OpenBankingError): OpenBankingError {
  const { error } = oauthAnswer(refusal).body;
  const scope = error === 'insufficient_scope' ? ', scope="openid"' : '';
  ctx.set('www-authenticate', `Bearer error="${error}", error_description="${refusal.rule}"${scope}`);
  return refusal;
}
