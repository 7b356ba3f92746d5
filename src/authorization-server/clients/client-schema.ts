import { z } from 'zod';
import { canonicalNca } from '../../../tpp-registry/nca.ts';
import { type DeliveryMode, findCibaProblems } from './ciba-registration.ts';
import { clientEntry } from './client-entry.ts';
import { findCertificateProblems } from './self-signed/registered-certificates.ts';
import { findKeysAddressProblem, findRedirectUriProblem } from './redirect-uri.ts';
import { CONSENT_REFERENCES } from '../../consent/details/consent-reference.ts';
import { shownText } from '../../consent/details/members.ts';
import { findDetailTypeProblems } from '../profiles/detail-type-rules.ts';
import { CIBA_GRANT, OPENID_SCOPES, type RegisteredClient } from './registered-client.ts';
import { algorithmOf, findRegistrationProblems } from '../profiles/client-rules.ts';
import { findProfile, PROFILE_NAMES, PROFILES, type Profiles } from '../profiles/profiles.ts';
import { CONTENT_ENCRYPTIONS, ENCRYPTION_ALGORITHMS } from '../signing/decrypter.ts';
import { CLIENT_AUTH_METHODS, type RegistrationProblem } from '../profiles/profile.ts';
import { SENDER_CONSTRAINTS } from '../profiles/sender-constraint.ts';
import { isRefusal, type Problem } from '../../errors.ts';
import { parseOrganizationIdentifier } from '../../tpp/organization-identifier.ts';
import { findJwkProblem } from '../../x509/certificate/public-jwk.ts';
import { subjectFields, subjectsOf } from './subject-schema.ts';

const CODE_GRANT = 'authorization_code';
const ALGORITHMS = [...new Set(PROFILES.flatMap(({ clientAlgorithms }) => clientAlgorithms))];
/** Algorithms of this server's signatures. */
const serverAlgorithm = z.enum(['ES256', 'PS256']).optional();
const SUBJECT =
  'With `tls_client_auth`: narrows the client to one subject of the certificates of its TPP; one of the five at most (RFC 8705 §2.1.2).';

const encryptionAlgorithm = z.enum(ENCRYPTION_ALGORITHMS).optional();
const contentEncryption = z.enum(CONTENT_ENCRYPTIONS).optional();
const responseType = z.enum(['code', 'code id_token']);
const responseMode = z.enum(['query', 'fragment', 'jwt', 'query.jwt', 'fragment.jwt']);

const publicJwk = sound(
  z.looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().min(1).max(256) }),
  (jwk) => findJwkMemberProblem(jwk) ?? findJwkProblem(jwk) ?? findAlgorithmProblem(jwk),
);

/** Values without a problem of this kind. As a context of zod (`superRefine`) each would take 0.4 µs more. */
function sound<Schema extends z.ZodType>(
  schema: Schema,
  findProblem: (value: z.output<Schema>) => string | undefined,
) {
  return schema.refine((value) => findProblem(value) === undefined, {
    error: ({ input }) => findProblem(input as z.output<Schema>),
  });
}

/** Which optional member is not of its type (RFC 7517 §4). */
function findJwkMemberProblem(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  const wrong = ['alg', 'use'].find((name) => jwk[name] !== undefined && !isText(jwk[name]));
  if (wrong !== undefined) return `must have a text as "${wrong}"`;
  if (jwk.x5c === undefined || (Array.isArray(jwk.x5c) && jwk.x5c.every(isText))) return undefined;
  return 'must have a list of texts as "x5c"';
}

/** Why no assertion of this key can ever be accepted. Keys for encryption and for TLS are not looked at. */
function findAlgorithmProblem(jwk: Readonly<Record<string, unknown>>): string | undefined {
  if (jwk.use === 'enc' || jwk.use === 'tls') return undefined;
  const allowed = ALGORITHMS.join(', ');
  const fitting = algorithmOf(jwk);
  if (fitting === undefined) return `is of a curve without an algorithm for clients (${allowed})`;
  if (jwk.use !== undefined && jwk.use !== 'sig')
    return 'has a use that is not sig, enc or tls (RFC 7517 §4.2)';
  if (jwk.alg === undefined || jwk.alg === fitting) return undefined;
  return `has an alg that clients may not sign with, or that is not of its type: ${fitting} is`;
}

const identifier = sound(z.string(), (text) => {
  try {
    parseOrganizationIdentifier(text);
    return undefined;
  } catch (error) {
    if (!isRefusal(error, 'ERR_TPP_IDENTIFIER_INVALID')) throw error;
    return error.details.problem;
  }
});

const redirectUri = sound(z.string(), findRedirectUriProblem);
const keysAddress = sound(z.string(), findKeysAddressProblem);

const authority = z
  .string()
  .refine((text) => canonicalNca(text) !== undefined, { error: 'is no known competent authority' });

/** The members of a client, each by itself. */
const clientMembers = z.strictObject({
  client_id: z.string().regex(/^[\x20-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters'),
  client_name: shownText(256),
  software_on_behalf_of_org: shownText(140).optional(),
  authorization_number: identifier,
  nca: authority.optional(),
  token_endpoint_auth_method: z.enum(CLIENT_AUTH_METHODS),
  jwks: z.strictObject({ keys: z.array(publicJwk).min(1).max(20) }).optional(),
  jwks_uri: keysAddress.optional(),
  redirect_uris: z.array(redirectUri).default([]),
  grant_types: z.array(z.enum(['client_credentials', CODE_GRANT, 'refresh_token', CIBA_GRANT])).min(1),
  scope: z.string(),
  profile: z.enum(PROFILE_NAMES).optional(),
  sender_constraint: z.enum(SENDER_CONSTRAINTS).optional(),
  response_types: z.array(responseType).min(1).optional(),
  response_modes: z.array(responseMode).min(1).optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
  require_signed_request_object: z.boolean().optional(),
  request_object_signing_alg: z.enum(ALGORITHMS).optional(),
  id_token_signed_response_alg: serverAlgorithm,
  authorization_signed_response_alg: serverAlgorithm,
  introspection_signed_response_alg: serverAlgorithm,
  id_token_encrypted_response_alg: encryptionAlgorithm,
  id_token_encrypted_response_enc: contentEncryption,
  request_object_encryption_alg: encryptionAlgorithm,
  request_object_encryption_enc: contentEncryption,
  consent_references: z
    .array(z.enum(CONSENT_REFERENCES))
    .min(1)
    .refine((list) => new Set(list).size === list.length, { error: 'must name each way once' })
    .optional(),
  authorization_details_types: z.array(z.string().min(1).max(128)).min(1).max(50).optional(),
  default_acr_values: z.array(z.string().min(1).max(200)).min(1).max(10).optional(),
  backchannel_token_delivery_mode: z.enum(['poll', 'ping']).optional(),
  backchannel_client_notification_endpoint: z.string().optional(),
  backchannel_authentication_request_signing_alg: z.enum(['PS256', 'ES256', 'EdDSA']).optional(),
  backchannel_user_code_parameter: z.boolean().optional(),
  ...subjectFields(SUBJECT, 'The same.'),
});

/** Rules between the members of one client. */
function findMemberProblems(value: z.infer<typeof clientMembers>): readonly RegistrationProblem[] {
  const problems: RegistrationProblem[] = [];
  const fault = (path: string, message: string) => void problems.push({ path, message });
  const [first, second] = subjectsOf(value);
  if (
    value.token_endpoint_auth_method === 'private_key_jwt' &&
    value.jwks === undefined &&
    value.jwks_uri === undefined
  ) {
    fault('jwks', 'or jwks_uri is required for private_key_jwt');
  }
  if (value.jwks !== undefined && value.jwks_uri !== undefined) {
    fault('jwks_uri', 'must not be beside jwks (RFC 7591 §2)');
  }
  if (value.grant_types.includes(CODE_GRANT) && value.redirect_uris.length === 0) {
    fault('redirect_uris', 'at least one is required for authorization_code');
  }
  if (value.nca === undefined && !/^PSD[A-Z]{2}-/.test(value.authorization_number)) {
    fault('nca', 'is required: the authorization_number does not name its authority');
  }
  for (const { path, message } of findCertificateProblems(value)) fault(path, message);
  if (value.token_endpoint_auth_method !== 'tls_client_auth' && first !== undefined) {
    fault(first.property, 'is for tls_client_auth, and compared for no other method (RFC 8705 §2.1.2)');
  }
  const kids = value.jwks?.keys.map(({ kid }) => kid) ?? [];
  if (new Set(kids).size !== kids.length) fault('jwks', 'has two keys of one kid (FAPI 2.0 §5.4.3)');
  if (second !== undefined) fault(second.property, 'only one tls_client_auth_* may be set (RFC 8705 §2.1.2)');
  return problems;
}

/**
 * A registered client, in the names of RFC 7591: an entry of `clients`, in the configuration or in a file. The provider accepts
 * the metadata of every client that this schema accepts: it sees a client when the client is used first.
 */
export const clientSchema = clientMembers.superRefine((value, context) => {
  for (const { path, message } of findMemberProblems(value)) {
    context.addIssue({ code: 'custom', path: [path], message });
  }
});

/** The result of `clientSchema.safeParse`. A sound entry takes less time with its rules beside the schema: 0.85 of a list of clients. */
export function readClientEntry(entry: unknown): z.ZodSafeParseResult<ClientEntry> {
  const members = clientMembers.safeParse(entry);
  const isSound = members.success && findMemberProblems(members.data).length === 0;
  return isSound ? members : clientSchema.safeParse(entry);
}

/** A client as the file has it. */
export type ClientEntry = z.infer<typeof clientSchema>;

/** Facts of the configuration that clients must agree with. */
export interface ClientRules {
  /** Scopes that a client may have besides those of OpenID Connect. */
  readonly apiScopes: readonly string[];
  /** Profiles that a client may have; the first is the default. */
  readonly profiles: Profiles;
  /** Authentication contexts of the bank. */
  readonly acrValues?: readonly string[] | undefined;
  /** Types of authorization details of the bank, by the scope that each opens. Absent: those of the standard. */
  readonly detailScopes?: Readonly<Record<string, string>> | undefined;
  /** Ways of CIBA that a client may have. Absent: CIBA is off. */
  readonly deliveryModes?: readonly DeliveryMode[] | undefined;
}

/** Problems between clients, and with the rest of the configuration: an identifier twice, a scope that no API has. */
export function findClientProblems(clients: readonly ClientEntry[], rules: ClientRules): readonly Problem[] {
  const seen = new Set<string>();
  return clients.flatMap((client) => {
    const { client_id: id } = client;
    const doubled = seen.has(id) ? [{ path: 'clients', message: `client_id twice: ${id}` }] : [];
    seen.add(id);
    const broken = findRuleProblems(client, rules);
    return [...doubled, ...broken.map(({ message }) => ({ path: 'clients', message: `${id} ${message}` }))];
  });
}

/** Which rules of the configuration and of its profile a client breaks; the path is the member. */
export function findRuleProblems(
  client: ClientEntry,
  { apiScopes, profiles, deliveryModes, detailScopes, acrValues = [] }: ClientRules,
): readonly Problem[] {
  const scope = findScopeProblem(client.scope, apiScopes);
  const foreign = client.default_acr_values?.filter((value) => !acrValues.includes(value)) ?? [];
  const ofAcr =
    foreign.length === 0
      ? []
      : [
          {
            path: 'default_acr_values',
            message: `has values that are not in acrValues: ${foreign.join(' ')}`,
          },
        ];
  const ofScope = [...(scope === undefined ? [] : [{ path: 'scope', message: scope }]), ...ofAcr];
  const profile = findProfile(client, profiles);
  if (profile === undefined) {
    const message = `has the profile ${client.profile}, which profiles.allowed does not name`;
    return [...ofScope, { path: 'profile', message }];
  }
  const ofProfile = [
    ...findRegistrationProblems(profile, client),
    ...findCibaProblems(client, deliveryModes),
    ...findDetailTypeProblems(client, profile, detailScopes),
  ];
  return [...ofScope, ...ofProfile.map(({ path, message }) => ({ path, message: `${path} ${message}` }))];
}

/** Which scopes of a client no API has. */
function findScopeProblem(scope: string, apiScopes: readonly string[]): string | undefined {
  const unknown = scope
    .split(' ')
    .filter((one) => one !== '' && !OPENID_SCOPES.includes(one) && !apiScopes.includes(one));
  return unknown.length === 0 ? undefined : `has scopes that are not in apiScopes: ${unknown.join(' ')}`;
}

/** Which rules of the schema a registration breaks, each with its member: a program of the bank may pass anything. */
export function findSchemaProblems(client: RegisteredClient): readonly string[] {
  const { error } = clientSchema.safeParse(clientEntry(client));
  return error?.issues.map(({ path, message }) => `${path.join('.')} ${message}`) ?? [];
}

/** The registration that an entry describes. */
export function registeredClient(client: ClientEntry): RegisteredClient {
  return {
    client_id: client.client_id,
    client_name: client.client_name,
    software_on_behalf_of_org: client.software_on_behalf_of_org,
    authorization_number: client.authorization_number,
    token_endpoint_auth_method: client.token_endpoint_auth_method,
    redirect_uris: client.redirect_uris,
    grant_types: client.grant_types,
    scope: client.scope,
    nca: client.nca,
    jwks: client.jwks,
    jwks_uri: client.jwks_uri,
    profile: client.profile,
    response_types: client.response_types,
    response_modes: client.response_modes,
    require_pushed_authorization_requests: client.require_pushed_authorization_requests,
    require_signed_request_object: client.require_signed_request_object,
    request_object_signing_alg: client.request_object_signing_alg,
    id_token_signed_response_alg: client.id_token_signed_response_alg,
    authorization_signed_response_alg: client.authorization_signed_response_alg,
    introspection_signed_response_alg: client.introspection_signed_response_alg,
    id_token_encrypted_response_alg: client.id_token_encrypted_response_alg,
    id_token_encrypted_response_enc: client.id_token_encrypted_response_enc,
    request_object_encryption_alg: client.request_object_encryption_alg,
    request_object_encryption_enc: client.request_object_encryption_enc,
    sender_constraint: client.sender_constraint,
    default_acr_values: client.default_acr_values,
    consent_references: client.consent_references,
    authorization_details_types: client.authorization_details_types,
    backchannel_token_delivery_mode: client.backchannel_token_delivery_mode,
    backchannel_client_notification_endpoint: client.backchannel_client_notification_endpoint,
    backchannel_authentication_request_signing_alg: client.backchannel_authentication_request_signing_alg,
    backchannel_user_code_parameter: client.backchannel_user_code_parameter,
    subject: subjectsOf(client)[0],
  };
}
