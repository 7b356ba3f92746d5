import type { Middleware } from 'koa';
import type { Provider } from '../../provider-internals.ts';
import { at, ENDPOINTS } from '../../request/routes.ts';
import type { ClientTokens } from './client-tokens.ts';
import { directClientCredentials } from './direct-client-credentials.ts';
import { directGrant } from './direct-grant.ts';
import { directIntrospection } from './direct-introspection.ts';
import { directPushedRequest } from './direct-pushed-request.ts';
import { directRevocation } from './direct-revocation.ts';

/** The short ways to the provider's own handlers. They take only forms that `checkForm` passes. */
export function directWays(provider: Provider, tokens: ClientTokens): readonly Middleware[] {
  return [
    at(ENDPOINTS.token, directClientCredentials(provider, tokens)),
    at(ENDPOINTS.token, directGrant(provider, 'refresh_token')),
    at(ENDPOINTS.token, directGrant(provider, 'authorization_code')),
    at(ENDPOINTS.pushed_authorization_request, directPushedRequest(provider)),
    at(ENDPOINTS.introspection, directIntrospection(provider)),
    at(ENDPOINTS.revocation, directRevocation(provider)),
  ];
}
