import type { Middleware } from 'koa';
import type { Provider } from '../../provider-internals.ts';
import { at, ENDPOINTS } from '../../request/routes.ts';
import type { ClientTokens } from './client-tokens.ts';
import { directClientCredentials } from './direct-client-credentials.ts';
import { directGrant } from './direct-grant.ts';
import { directIntrospection } from './direct-introspection.ts';
import { directPushedRequest } from './direct-pushed-request.ts';
import { directRevocation } from './direct-revocation.ts';
import type { TokenIntrospection } from './token-introspection.ts';

export interface DirectParts {
  readonly clientTokens: ClientTokens;
  readonly tokenIntrospection: TokenIntrospection;
}

/** The short ways past the provider's own routes. They take only forms that `checkForm` passes. */
export function directWays(
  provider: Provider,
  { clientTokens, tokenIntrospection }: DirectParts,
): readonly Middleware[] {
  return [
    at(ENDPOINTS.token, directClientCredentials(provider, clientTokens)),
    at(ENDPOINTS.token, directGrant(provider, 'refresh_token')),
    at(ENDPOINTS.token, directGrant(provider, 'authorization_code')),
    at(ENDPOINTS.pushed_authorization_request, directPushedRequest(provider)),
    at(ENDPOINTS.introspection, directIntrospection(provider, tokenIntrospection)),
    at(ENDPOINTS.revocation, directRevocation(provider)),
  ];
}
