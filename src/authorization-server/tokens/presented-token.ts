import type { Context } from 'koa';
import { answerText } from '../../answer-text.ts';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { hexPrefix } from '../../events.ts';
import { PROOF_ALGORITHMS } from '../profiles/sender-constraint.ts';
import { findNamedClient } from '../request/form.ts';
import { ENDPOINTS, GRANTS_ROUTE } from '../request/routes.ts';
import { gateCertificate } from '../request/tpp-gate.ts';
import type { StatusClaim } from '../token-status/token-status.ts';
import { findTokenClaims, type TokenSources } from './introspection.ts';
import { verifyPresentedProof } from './presented-proof.ts';

export interface PresentedTokenRules {
  /** Identifier of the account APIs: the audience of access tokens. */
  readonly resource: string;
  readonly clock: Clock;
  /** Address of the endpoint, which a DPoP proof must name. */
  readonly url: string;
  readonly neededScope: string;
}

/** RFC 6750 §2.1, RFC 9449 §7.1. */
const CREDENTIALS = /^(bearer|dpop) ([\w.~+/-]+=*)$/i;

/**
 * The claims of the access token of a request for an endpoint of this server: live, sent in the Authorization header over
 * the certificate that it is bound to, with a proof of its DPoP key, and with the scope of the endpoint.
 *
 * @throws ERR_TOKEN_MISSING, ERR_TOKEN_REQUEST, ERR_TOKEN_INVALID, ERR_TOKEN_UNBOUND, ERR_TOKEN_BINDING, ERR_DPOP_PROOF,
 * ERR_DPOP_NONCE, ERR_TOKEN_REVOKED, ERR_TOKEN_SCOPE
 */
export async function presentedTokenClaims(
  ctx: Context,
  { resource, clock, url, neededScope }: PresentedTokenRules,
  sources: TokenSources,
): Promise<Readonly<Record<string, unknown>>> {
  const { scheme, token } = presentedToken(ctx);
  const claims = await findTokenClaims(token, sources);
  // A token for `openid` alone has no audience.
  if (claims === undefined || (claims.aud !== undefined && claims.aud !== resource)) {
    throw new OpenBankingError('ERR_TOKEN_INVALID', {
      problem: 'it is unknown, over or for another audience',
    });
  }
  const { 'x5t#S256': bound, jkt } = (claims.cnf ?? {}) as Partial<Record<'x5t#S256' | 'jkt', string>>;
  if (bound === undefined && jkt === undefined) {
    throw new OpenBankingError('ERR_TOKEN_UNBOUND', { problem: 'cnf is missing' });
  }
  if (bound !== undefined) assertCertificate(ctx, bound);
  const presented = { scheme, token, jkt, clientId: String(claims.client_id) };
  await verifyPresentedProof(ctx, presented, { provider: sources.provider, clock, url });
  const status = claims.status as StatusClaim;
  if (!(await sources.tokenStatus.isLive(status))) {
    throw new OpenBankingError('ERR_TOKEN_REVOKED', { statusList: status.status_list.uri });
  }
  const held = String(claims.scope ?? '').split(' ');
  if (!held.includes(neededScope)) {
    throw new OpenBankingError('ERR_TOKEN_SCOPE', { needed: [neededScope], held });
  }
  return claims;
}

/**
 * The client that a request names, in its form or by its access token: a hint, before anything is proved.
 *
 * @throws as `readForm`
 */
export async function namedClient(
  ctx: Context,
  sources: Pick<TokenSources, 'provider' | 'issuedTokens'>,
): Promise<string | undefined> {
  if (ctx.path !== ENDPOINTS.userinfo && !GRANTS_ROUTE.test(ctx.path)) return findNamedClient(ctx);
  const [, , token] = CREDENTIALS.exec(ctx.headers.authorization ?? '') ?? [];
  const claims = token === undefined ? undefined : await findTokenClaims(token, sources);
  return claims === undefined ? undefined : String(claims.client_id);
}

/** @throws ERR_TOKEN_BINDING */
function assertCertificate(ctx: Context, bound: string): void {
  const presented = gateCertificate(ctx)?.thumbprint ?? '';
  if (bound === presented) return;
  const details = { bound: hexPrefix(bound), presented: hexPrefix(presented) };
  throw new OpenBankingError('ERR_TOKEN_BINDING', details);
}

function presentedToken(ctx: Context): { readonly scheme: string; readonly token: string } {
  if (ctx.query.access_token !== undefined) throw refused('a token must not be in the address');
  const field = ctx.headers.authorization;
  if (field === undefined) throw new OpenBankingError('ERR_TOKEN_MISSING', {});
  const [, scheme, token] = CREDENTIALS.exec(field) ?? [];
  if (scheme === undefined || token === undefined) {
    throw refused('the Authorization field is not Bearer or DPoP, and one token');
  }
  return { scheme, token };
}

function refused(problem: string): OpenBankingError<'ERR_TOKEN_REQUEST'> {
  return new OpenBankingError('ERR_TOKEN_REQUEST', { problem });
}

/** The WWW-Authenticate field for a refusal. RFC 6750 §3: without a token no error is named. */
export function tokenChallenge(error: OpenBankingError, neededScope: string): string {
  if (error.code === 'ERR_TOKEN_MISSING') return 'Bearer';
  const name = CHALLENGES[error.code] ?? 'invalid_token';
  const text = `error_description="${answerText(error)}"`;
  if (error.class === 'proof') {
    const ofNonce = error.code === 'ERR_DPOP_NONCE' ? 'use_dpop_nonce' : 'invalid_dpop_proof';
    return `DPoP error="${ofNonce}", ${text}, algs="${PROOF_ALGORITHMS.join(' ')}"`;
  }
  const scope = error.code === 'ERR_TOKEN_SCOPE' ? `, scope="${neededScope}"` : '';
  return `Bearer error="${name}", ${text}${scope}`;
}

const CHALLENGES: Readonly<Record<string, string>> = {
  ERR_TOKEN_REQUEST: 'invalid_request',
  ERR_TOKEN_SCOPE: 'insufficient_scope',
};
