import type { Context, Middleware } from 'koa';
import { answerText } from '../../answer-text.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import { hexPrefix } from '../../events.ts';
import { gateCertificate } from '../request/tpp-gate.ts';
import type { StatusClaim } from '../token-status/token-status.ts';
import { findTokenClaims, type TokenSources } from './introspection.ts';

const BEARER = /^bearer ([\w.~+/-]+=*)$/i;

/** Where the claims of an answer come from. */
export interface UserinfoSources extends TokenSources {
  /** The claims about a customer that a consent allows for this endpoint. */
  readonly findCustomerClaims: (
    psuId: string,
    consentId: string,
  ) => Promise<Readonly<Record<string, unknown>>>;
}

/**
 * The UserInfo endpoint (OpenID Connect Core §5.3), for every access token with the scope `openid`: also for one that
 * opens the APIs of `resource`, which the provider's own endpoint refuses by its audience and its format. The token comes
 * in the Authorization header, over the certificate that the token is bound to. The answer has `sub`, and the claims that the
 * customer allowed for this endpoint.
 *
 * @throws ERR_TOKEN_MISSING, ERR_TOKEN_REQUEST, ERR_TOKEN_INVALID, ERR_TOKEN_BINDING, ERR_TOKEN_REVOKED,
 * ERR_TOKEN_SCOPE
 */
export function userinfo(resource: string, sources: UserinfoSources): Middleware {
  return async (ctx) => {
    ctx.set('cache-control', 'no-store');
    try {
      const { sub, consent_id: consentId } = await tokenClaimsOf(ctx, resource, sources);
      ctx.body = { ...(await sources.findCustomerClaims(String(sub), String(consentId))), sub };
    } catch (error) {
      if (isRefusal(error)) ctx.set('www-authenticate', challenge(error));
      throw error;
    }
  };
}

async function tokenClaimsOf(
  ctx: Context,
  resource: string,
  sources: TokenSources,
): Promise<Readonly<Record<string, unknown>>> {
  const claims = await findTokenClaims(presentedToken(ctx), sources);
  // A token for `openid` alone has no audience.
  if (claims === undefined || (claims.aud !== undefined && claims.aud !== resource)) {
    throw new OpenBankingError('ERR_TOKEN_INVALID', {
      problem: 'it is unknown, over or for another audience',
    });
  }
  const { 'x5t#S256': bound = '' } = (claims.cnf ?? {}) as { readonly 'x5t#S256'?: string };
  const presented = gateCertificate(ctx)?.thumbprint ?? '';
  if (bound === '' || bound !== presented) {
    const details = { bound: hexPrefix(bound), presented: hexPrefix(presented) };
    throw new OpenBankingError('ERR_TOKEN_BINDING', details);
  }
  const status = claims.status as StatusClaim;
  if (!(await sources.tokenStatus.isLive(status))) {
    throw new OpenBankingError('ERR_TOKEN_REVOKED', { statusList: status.status_list.uri });
  }
  const held = String(claims.scope ?? '').split(' ');
  if (!held.includes('openid')) throw new OpenBankingError('ERR_TOKEN_SCOPE', { needed: ['openid'], held });
  return claims;
}

function presentedToken(ctx: Context): string {
  if (ctx.query.access_token !== undefined) throw refused('a token must not be in the address');
  const field = ctx.headers.authorization;
  if (field === undefined) throw new OpenBankingError('ERR_TOKEN_MISSING', {});
  const token = BEARER.exec(field)?.[1];
  if (token === undefined) throw refused('the Authorization field is not Bearer and one token');
  return token;
}

function refused(problem: string): OpenBankingError<'ERR_TOKEN_REQUEST'> {
  return new OpenBankingError('ERR_TOKEN_REQUEST', { problem });
}

/** RFC 6750 §3: without a token no error is named. */
function challenge(error: OpenBankingError): string {
  if (error.code === 'ERR_TOKEN_MISSING') return 'Bearer';
  const name = CHALLENGES[error.code] ?? 'invalid_token';
  const scope = error.code === 'ERR_TOKEN_SCOPE' ? ', scope="openid"' : '';
  return `Bearer error="${name}", error_description="${answerText(error)}"${scope}`;
}

const CHALLENGES: Readonly<Record<string, string>> = {
  ERR_TOKEN_REQUEST: 'invalid_request',
  ERR_TOKEN_SCOPE: 'insufficient_scope',
};
