import type { JWK } from 'jose';
import type { ClientMetadata } from 'oidc-provider';

/** RFC 8705 §2.1.2: at most one of these narrows a client to one subject of its TPP's certificates. */
export const SUBJECT_PROPERTIES = [
  'tls_client_auth_subject_dn',
  'tls_client_auth_san_dns',
  'tls_client_auth_san_uri',
  'tls_client_auth_san_ip',
  'tls_client_auth_san_email',
] as const;
export type SubjectProperty = (typeof SUBJECT_PROPERTIES)[number];

/** What the bank registers for a client, in the names of RFC 7591. */
export interface RegisteredClient {
  readonly client_id: string;
  readonly client_name: string;
  /** The TPP that the client belongs to: its organizationIdentifier (TS 119 495 cl. 5.2.1) ... */
  readonly authorization_number: string;
  /** ... and the competent authority, where the identifier does not name it. */
  readonly nca?: string;
  readonly token_endpoint_auth_method: 'tls_client_auth' | 'private_key_jwt';
  /** Public keys of a `private_key_jwt` client. */
  readonly jwks?: { readonly keys: readonly JWK[] };
  readonly redirect_uris: readonly string[];
  readonly grant_types: readonly ('client_credentials' | 'authorization_code' | 'refresh_token')[];
  /** Space-separated. */
  readonly scope: string;
  readonly id_token_signed_response_alg?: 'ES256' | 'PS256';
  readonly subject?: { readonly property: SubjectProperty; readonly value: string };
}

/** The registered clients, as they are at the moment. */
export interface Clients {
  find(clientId: string): RegisteredClient | undefined;
  /** Calls now, and before other clients are in use; what `take` throws refuses them as a whole. */
  follow(take: (clients: readonly RegisteredClient[]) => void): void;
}

/** Members of our own on the provider's client. */
export const EXTRA_CLIENT_METADATA = [
  'authorization_number',
  'nca',
  'api_scope',
  'certificate_subject',
] as const;

/** Scopes of OpenID Connect; all others are the APIs'. */
export const OPENID_SCOPES: readonly string[] = ['openid', 'offline_access'];

/**
 * The provider's metadata of a client. Binding, PAR, the response type and the authentication method are not
 * the client's to choose: no registration can get an unbound token (RFC 8705 §3.4, FAPI 2.0 §5.3.2).
 */
export function clientMetadata(client: RegisteredClient): ClientMetadata {
  const scopes = client.scope.split(' ').filter(Boolean);
  const redirects = client.grant_types.includes('authorization_code');
  return {
    client_id: client.client_id,
    client_name: client.client_name,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    tls_client_certificate_bound_access_tokens: true,
    require_pushed_authorization_requests: true,
    grant_types: [...client.grant_types],
    redirect_uris: redirects ? [...client.redirect_uris] : [],
    response_types: redirects ? ['code'] : [],
    id_token_signed_response_alg: client.id_token_signed_response_alg ?? 'ES256',
    // Never empty: the provider takes an absent scope for "all of them".
    scope: ['offline_access', ...scopes.filter((scope) => scope === 'openid')].join(' '),
    api_scope: scopes.filter((scope) => !OPENID_SCOPES.includes(scope)).join(' '),
    authorization_number: client.authorization_number,
    ...(client.nca === undefined ? {} : { nca: client.nca }),
    ...(client.jwks === undefined ? {} : { jwks: { keys: [...client.jwks.keys] } }),
    ...subjectMetadata(client),
  };
}

/**
 * The provider insists on exactly one subject property for `tls_client_auth`. A client without one is tied to
 * its TPP alone, so that a renewed certificate needs no new registration: the identifier stands in.
 */
function subjectMetadata(client: RegisteredClient): Partial<ClientMetadata> {
  if (client.token_endpoint_auth_method !== 'tls_client_auth') return {};
  return client.subject === undefined
    ? { tls_client_auth_subject_dn: `organizationIdentifier=${client.authorization_number}` }
    : { [client.subject.property]: client.subject.value, certificate_subject: { ...client.subject } };
}
