import type { ClientMetadata } from 'oidc-provider';
import { messageKeysOf } from '../profiles/key-use.ts';
import { profileMetadata } from '../profiles/client-rules.ts';
import { findProfile, type Profiles } from '../profiles/profiles.ts';
import { CIBA_MEMBERS } from './ciba-registration.ts';
import { agentOf, CIBA_GRANT, OPENID_SCOPES, type RegisteredClient } from './registered-client.ts';

/** Members of our own on the provider's client. */
export const EXTRA_CLIENT_METADATA = [
  'authorization_number',
  'nca',
  'software_on_behalf_of_org',
  'api_scope',
  'certificate_subject',
  'profile',
  'signs_introspection',
  'sender_constraint',
  'consent_references',
  'self_signed',
] as const;

/**
 * The provider's metadata of a client. Binding, and whatever its profile demands, are not the client's to choose: no
 * registration can get an unbound token (RFC 8705 §3.4, FAPI 2.0 §5.3.2).
 *
 * @throws TypeError for a client of a profile that the server does not allow
 */
export function clientMetadata(client: RegisteredClient, profiles: Profiles): ClientMetadata {
  const scopes = client.scope.split(' ').filter(Boolean);
  const profile = findProfile(client, profiles);
  if (profile === undefined) throw new TypeError(`the profile ${client.profile} is not allowed`);
  const agent = agentOf(client);
  const redirects = client.grant_types.includes('authorization_code');
  const isSelfSigned = client.token_endpoint_auth_method === 'self_signed_tls_client_auth';
  const keys = messageKeysOf(client);
  return {
    client_id: client.client_id,
    client_name: client.client_name,
    // The TPP gate has compared a self-signed certificate; the hook of tls_client_auth ties it to its client.
    token_endpoint_auth_method: isSelfSigned ? 'tls_client_auth' : client.token_endpoint_auth_method,
    ...(isSelfSigned ? { self_signed: true } : {}),
    ...profileMetadata(profile, client),
    grant_types: [...client.grant_types],
    redirect_uris: redirects ? [...client.redirect_uris] : [],
    // Never empty: an absent scope means all scopes to the provider.
    scope: ['offline_access', ...scopes.filter((scope) => scope === 'openid')].join(' '),
    api_scope: scopes.filter((scope) => !OPENID_SCOPES.includes(scope)).join(' '),
    authorization_number: client.authorization_number,
    ...(agent === undefined ? {} : { software_on_behalf_of_org: agent }),
    ...(client.nca === undefined ? {} : { nca: client.nca }),
    ...(keys === undefined ? {} : { jwks: { keys: [...keys] } }),
    ...(client.jwks_uri === undefined ? {} : { jwks_uri: client.jwks_uri }),
    ...cibaMetadata(client),
    ...subjectMetadata(client),
  };
}

/**
 * The provider insists on exactly one subject property for `tls_client_auth`. A client without one is tied to
 * its TPP alone, so that a renewed certificate needs no new registration: the identifier stands in.
 */
function subjectMetadata(client: RegisteredClient): Partial<ClientMetadata> {
  if (client.token_endpoint_auth_method === 'private_key_jwt') return {};
  return client.subject === undefined
    ? { tls_client_auth_subject_dn: `organizationIdentifier=${client.authorization_number}` }
    : { [client.subject.property]: client.subject.value, certificate_subject: { ...client.subject } };
}

function cibaMetadata(client: RegisteredClient): Partial<ClientMetadata> {
  if (!client.grant_types.includes(CIBA_GRANT)) return {};
  return Object.fromEntries(
    CIBA_MEMBERS.flatMap((name) => (client[name] === undefined ? [] : [[name, client[name]]])),
  );
}
