import type { RegisteredClient } from '../../src/authorization-server/clients/registered-client.ts';

/** A client that is registered for a TPP. */
export function clientOf(clientId: string, authorizationNumber: string, nca?: string): RegisteredClient {
  return {
    client_id: clientId,
    client_name: clientId,
    authorization_number: authorizationNumber,
    ...(nca === undefined ? {} : { nca }),
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: [],
    grant_types: ['client_credentials'],
    scope: 'accounts',
  };
}
