import type { Middleware } from 'koa';
import { isRefusal } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import { ENDPOINTS } from '../request/routes.ts';
import type { TokenSources } from './introspection.ts';
import { presentedTokenClaims, tokenChallenge } from './presented-token.ts';

export interface UserinfoOptions {
  /** Identifier of the account APIs. */
  readonly resource: string;
  readonly mtlsUrl: URL;
  readonly clock: Clock;
}

const SCOPE = 'openid';

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
 * in the Authorization header, over the certificate that the token is bound to, and with a proof of its DPoP key. The
 * answer has `sub`, and the claims that the customer allowed for this endpoint.
 *
 * @throws ERR_TOKEN_MISSING, ERR_TOKEN_REQUEST, ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_BINDING, ERR_DPOP_PROOF,
 * ERR_DPOP_NONCE, ERR_TOKEN_REVOKED, ERR_TOKEN_SCOPE
 */
export function userinfo(options: UserinfoOptions, sources: UserinfoSources): Middleware {
  const url = new URL(ENDPOINTS.userinfo, options.mtlsUrl).href;
  const rules = { ...options, url, neededScope: SCOPE };
  return async (ctx) => {
    ctx.set('cache-control', 'no-store');
    try {
      const { sub, consent_id: consentId } = await presentedTokenClaims(ctx, rules, sources);
      ctx.body = { ...(await sources.findCustomerClaims(String(sub), String(consentId))), sub };
    } catch (error) {
      if (isRefusal(error)) ctx.set('www-authenticate', tokenChallenge(error, SCOPE));
      throw error;
    }
  };
}
