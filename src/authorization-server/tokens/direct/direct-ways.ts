import type { Middleware } from 'koa';
import type { Provider } from '../../provider-internals.ts';
import { at, ENDPOINTS } from '../../request/routes.ts';
import type { ModelRecords } from '../../models/adapter.ts';
import type { TokenStatus } from '../../token-status/token-status.ts';
import { ClientTokens } from './client-tokens.ts';
import { directClientCredentials } from './direct-client-credentials.ts';
import { directGrant } from './direct-grant.ts';
import { directIntrospection } from './direct-introspection.ts';
import { directPushedRequest } from './direct-pushed-request.ts';
import { directRevocation } from './direct-revocation.ts';
import { OpaqueTokens } from './opaque-tokens.ts';
import { PushedRequests } from './pushed-requests.ts';
import { RefreshedTokens, type RefreshedTokensOptions } from './refreshed-tokens.ts';
import { TokenIntrospection } from './token-introspection.ts';

export interface DirectParts {
  readonly clientTokens: ClientTokens;
  readonly opaqueTokens: OpaqueTokens;
  readonly pushedRequests: PushedRequests;
  readonly refreshedTokens: RefreshedTokens;
  readonly tokenIntrospection: TokenIntrospection;
}

/** The parts of the short ways, over the records of each model. */
export function directParts(
  options: RefreshedTokensOptions,
  {
    tokenStatus,
    adapters,
  }: { readonly tokenStatus: TokenStatus; readonly adapters: (model: string) => ModelRecords },
): DirectParts {
  const opaqueTokens = new OpaqueTokens(adapters);
  return {
    clientTokens: new ClientTokens(options, { tokenStatus, adapter: adapters('ClientCredentials') }),
    opaqueTokens,
    pushedRequests: new PushedRequests(options, adapters),
    refreshedTokens: new RefreshedTokens(options, { tokenStatus, adapters }),
    tokenIntrospection: new TokenIntrospection(options, { tokens: opaqueTokens, grants: adapters('Grant') }),
  };
}

/** The short ways past the provider's own routes. They take only forms that `checkForm` passes. */
export function directWays(
  provider: Provider,
  { clientTokens, opaqueTokens, pushedRequests, refreshedTokens, tokenIntrospection }: DirectParts,
): readonly Middleware[] {
  return [
    at(ENDPOINTS.token, directClientCredentials(provider, clientTokens)),
    at(ENDPOINTS.token, directGrant(provider, 'refresh_token', refreshedTokens)),
    at(ENDPOINTS.token, directGrant(provider, 'authorization_code')),
    at(ENDPOINTS.pushed_authorization_request, directPushedRequest(provider, pushedRequests)),
    at(ENDPOINTS.introspection, directIntrospection(provider, tokenIntrospection)),
    at(ENDPOINTS.revocation, directRevocation(provider, opaqueTokens)),
  ];
}
