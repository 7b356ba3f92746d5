import { SUBJECT_PROPERTIES } from '../../x509/certificate/subject-property.ts';
import { CIBA_MEMBERS } from '../clients/ciba-registration.ts';
import { memberRefusal, type StatementProfile } from './statement-profile.ts';

/** Members that go to the judges of every client as they are. */
const TAKEN: ReadonlySet<string> = new Set([
  'client_name',
  'token_endpoint_auth_method',
  'jwks',
  'jwks_uri',
  'redirect_uris',
  'grant_types',
  'scope',
  'profile',
  'sender_constraint',
  'response_types',
  'response_modes',
  'require_pushed_authorization_requests',
  'require_signed_request_object',
  'request_object_signing_alg',
  'id_token_signed_response_alg',
  'authorization_signed_response_alg',
  'introspection_signed_response_alg',
  'id_token_encrypted_response_alg',
  'id_token_encrypted_response_enc',
  'request_object_encryption_alg',
  'request_object_encryption_enc',
  'default_acr_values',
  ...CIBA_MEMBERS,
  ...SUBJECT_PROPERTIES,
]);

/** Members for people, which this server neither shows nor fetches: dropped, in every language (RFC 7591 §2.2). */
const FOR_PEOPLE: ReadonlySet<string> = new Set([
  'client_uri',
  'logo_uri',
  'policy_uri',
  'tos_uri',
  'contacts',
  'software_id',
  'software_version',
]);

const CHOSEN = 'is chosen by the server, and must not be sent (RFC 7592 section 2.2)';
const CERTIFIED = 'is that of the certificate, and must not be sent';
/** Members that a client cannot choose. */
const NOT_OF_THE_CLIENT: Readonly<Record<string, string>> = {
  client_id_issued_at: CHOSEN,
  registration_access_token: CHOSEN,
  registration_client_uri: CHOSEN,
  registration_status: CHOSEN,
  authorization_number: CERTIFIED,
  nca: CERTIFIED,
  client_secret:
    'is not supported: a client authenticates by its certificate or its key (FAPI 2.0 section 5.3.2.1)',
  client_secret_expires_at: 'is not supported, as there is no client_secret (RFC 7592 section 2.2)',
};

/** Members of the standards that this server does not have. Each is refused, but for the value that changes nothing. */
const UNSUPPORTED: Readonly<Record<string, unknown>> = {
  application_type: 'web',
  subject_type: 'public',
  sector_identifier_uri: undefined,
  initiate_login_uri: undefined,
  request_uris: [],
  post_logout_redirect_uris: [],
  frontchannel_logout_uri: undefined,
  frontchannel_logout_session_required: false,
  backchannel_logout_uri: undefined,
  backchannel_logout_session_required: false,
  require_auth_time: true,
  default_max_age: undefined,
  userinfo_signed_response_alg: undefined,
  userinfo_encrypted_response_alg: undefined,
  userinfo_encrypted_response_enc: undefined,
  authorization_encrypted_response_alg: undefined,
  authorization_encrypted_response_enc: undefined,
  introspection_encrypted_response_alg: undefined,
  introspection_encrypted_response_enc: undefined,
  use_mtls_endpoint_aliases: true,
};

/** Members that say again what others say: those are held against them. */
const DERIVED: ReadonlySet<string> = new Set([
  'tls_client_certificate_bound_access_tokens',
  'dpop_bound_access_tokens',
  'token_endpoint_auth_signing_alg',
  'introspection_endpoint_auth_method',
  'revocation_endpoint_auth_method',
]);

type Metadata = Readonly<Record<string, unknown>>;

/**
 * The members of a registration that the judges of every client know. A member that could weaken a client goes to them to the
 * letter, or is refused here; no other member of a standard is ignored, but those for people.
 *
 * @throws ERR_REGISTRATION_METADATA
 */
export function knownMembers(
  metadata: Metadata,
  unknownMembers: StatementProfile['unknownMembers'],
): Metadata {
  const taken = Object.entries(metadata).filter(([name, value]) => {
    if (Object.hasOwn(NOT_OF_THE_CLIENT, name)) throw memberRefusal(name, NOT_OF_THE_CLIENT[name] ?? CHOSEN);
    if (Object.hasOwn(UNSUPPORTED, name)) {
      assertWithoutEffect(name, value);
      return false;
    }
    if (TAKEN.has(name)) return true;
    if (DERIVED.has(name) || FOR_PEOPLE.has(name.replace(/#.*$/s, ''))) return false;
    if (unknownMembers === 'drop') return false;
    throw memberRefusal(name.slice(0, 60), 'is not known to this server');
  });
  return { ...Object.fromEntries(taken), ...senderConstraint(metadata), ...withoutEmptyLists(metadata) };
}

function assertWithoutEffect(name: string, value: unknown): void {
  const harmless = UNSUPPORTED[name];
  if (harmless === undefined) throw memberRefusal(name, 'is not supported by this server');
  if (JSON.stringify(value) === JSON.stringify(harmless)) return;
  throw memberRefusal(name, `must be ${JSON.stringify(harmless)}, or absent`);
}

/** How tokens are bound (RFC 8705 §3.4, RFC 9449 §5.2): a client can ask for more, and for no unbound token. */
function senderConstraint(metadata: Metadata): { readonly sender_constraint?: string } {
  const certificate = flag(metadata, 'tls_client_certificate_bound_access_tokens');
  const key = flag(metadata, 'dpop_bound_access_tokens');
  if (certificate === false && key !== true) {
    throw memberRefusal(
      'tls_client_certificate_bound_access_tokens',
      'cannot be false: every access token is bound to its client (FAPI 2.0 section 5.3.2.1)',
    );
  }
  const asked = askedConstraint(certificate, key);
  const { sender_constraint: named } = metadata;
  if (asked !== undefined && named !== undefined && named !== asked) {
    throw memberRefusal('sender_constraint', `must be ${asked}, as the other members ask`);
  }
  return asked === undefined ? {} : { sender_constraint: asked };
}

function askedConstraint(certificate: boolean | undefined, key: boolean | undefined): string | undefined {
  if (key === true) return certificate === false ? 'dpop' : 'certificate-and-dpop';
  return certificate === true ? 'certificate' : undefined;
}

function flag(metadata: Metadata, name: string): boolean | undefined {
  const value = metadata[name];
  if (value === undefined || typeof value === 'boolean') return value;
  throw memberRefusal(name, 'must be true or false');
}

/** A client without redirects has no response type; many programs write that as an empty list. */
function withoutEmptyLists({ response_types: types, response_modes: modes }: Metadata): Metadata {
  const isEmpty = (value: unknown) => Array.isArray(value) && value.length === 0;
  return {
    ...(isEmpty(types) ? { response_types: undefined } : {}),
    ...(isEmpty(modes) ? { response_modes: undefined } : {}),
  };
}
