import type { Context, Middleware } from 'koa';
import { type Clock, epochSeconds } from '../../clock.ts';
import type { Consents } from '../../consent/consents.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Consent } from '../../consent/consent.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { OPENID_SCOPES } from '../clients/registered-client.ts';
import type { GrantManagementRules } from '../request/authorization-request/grant-action.ts';
import { GRANTS_PATH } from '../request/routes.ts';
import type { TokenSources } from '../tokens/introspection.ts';
import { presentedTokenClaims, tokenChallenge } from '../tokens/presented-token.ts';
import { QUERY_SCOPE, REVOKE_SCOPE } from '../tokens/grant-management-scopes.ts';

export interface GrantsEndpointOptions {
  /** Undefined: there is nothing at this address. */
  readonly grantManagement: GrantManagementRules | undefined;
  /** Identifier of the account APIs. */
  readonly resource: string;
  readonly mtlsUrl: URL;
  readonly clock: Clock;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly log: Log;
}

interface Sources extends TokenSources {
  readonly consents: Pick<Consents, 'find' | 'revoke'>;
}

/**
 * Query and revocation of one grant by its client (Grant Management for OAuth 2.0 §6), with a token of the client credentials
 * grant that is bound to its sender. The `grant_id` is the id of the consent.
 *
 * A grant of another client is answered like one that does not exist, with 404: §6.6 has 403, which would reveal that there is
 * one. A grant that is over is no grant any more.
 *
 * @throws ERR_HTTP_NOT_FOUND where grant management is off, ERR_GRANT_UNKNOWN, and the codes of `presentedTokenClaims`
 */
export function grantsEndpoint(options: GrantsEndpointOptions, sources: Sources): Middleware {
  return async (ctx) => {
    if (options.grantManagement === undefined) {
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path });
    }
    ctx.set('cache-control', 'no-store');
    const isQuery = ctx.method === 'GET';
    const neededScope = isQuery ? QUERY_SCOPE : REVOKE_SCOPE;
    try {
      const url = new URL(ctx.path, options.mtlsUrl).href;
      const token = await presentedTokenClaims(ctx, { ...options, url, neededScope }, sources);
      const clientId = String(token.client_id);
      const consent = await ownGrant(ctx, clientId, sources);
      if (isQuery) ctx.body = answerOf(consent, options.resource);
      else await revoke(ctx, consent, { options, sources });
    } catch (error) {
      const isOfToken = isRefusal(error) && error.code !== 'ERR_GRANT_UNKNOWN';
      if (isOfToken) ctx.set('www-authenticate', tokenChallenge(error, neededScope));
      throw error;
    }
  };
}

/** @throws ERR_GRANT_UNKNOWN */
async function ownGrant(ctx: Context, clientId: string, { consents }: Sources): Promise<Consent> {
  const grantId = ctx.path.slice(GRANTS_PATH.length).replaceAll(/%3a/gi, ':');
  const consent = await consents.find(grantId);
  if (consent?.clientId === clientId && consent.status === 'authorised') return consent;
  throw new OpenBankingError('ERR_GRANT_UNKNOWN', { clientId });
}

/** §6.5: the grant, its refresh tokens and its access tokens are over when this is answered. */
async function revoke(
  ctx: Context,
  { consentId, clientId, authorizationNumber, psuId }: Consent,
  { options, sources }: { readonly options: GrantsEndpointOptions; readonly sources: Sources },
): Promise<void> {
  await sources.consents.revoke(consentId, { by: { kind: 'tpp', id: clientId } });
  options.log.emit('grant.revoked', {
    requestId: String(ctx.state.requestId),
    clientId,
    authorizationNumber,
    consentId,
    ...psuField(options.secret, psuId),
  });
  ctx.status = 204;
}

/** §6.4. Tokens are never shown. Times are seconds since the epoch, as in tokens. */
function answerOf(consent: Consent, resource: string) {
  const { scopes, claims, details, history, createdAt, expiresAt } = consent;
  const ofApis = scopes.filter((scope) => !OPENID_SCOPES.includes(scope));
  const ofOpenId = scopes.filter((scope) => OPENID_SCOPES.includes(scope));
  const names = [...new Set([...(claims?.idToken ?? []), ...(claims?.userinfo ?? [])])];
  const authorisations = history.filter(({ to }) => to === 'authorised');
  const lastUpdate = authorisations.at(-1)?.at;
  return {
    scopes: [
      ...(ofApis.length === 0 ? [] : [{ scope: ofApis.join(' '), resource: [resource] }]),
      ...(ofOpenId.length === 0 ? [] : [{ scope: ofOpenId.join(' ') }]),
    ],
    claims: names,
    authorization_details: details,
    created_at: epochSeconds(createdAt),
    ...(lastUpdate === undefined ? {} : { last_updated_at: epochSeconds(new Date(lastUpdate)) }),
    expires_at: epochSeconds(expiresAt),
  };
}
