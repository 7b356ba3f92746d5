import { isIP } from 'node:net';
import { isRefusal } from '../../errors.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import { assertScopesAllowed, scopesAllowed } from '../../tpp/authorisation-status.ts';
import { isHostName } from '../../x509/certificate/general-name.ts';
import { matchesSubject } from '../../x509/certificate/subject-property.ts';
import {
  type ClientRules,
  clientSchema,
  findRuleProblems,
  registeredClient,
} from '../clients/client-schema.ts';
import { OPENID_SCOPES, type RegisteredClient } from '../clients/registered-client.ts';
import { algorithmOf } from '../profiles/client-rules.ts';
import { knownMembers } from './registration-members.ts';
import { memberRefusal, type ProvenStatement, type StatementProfile } from './statement-profile.ts';

export interface RegistrationRules extends ClientRules {
  /** Hosts of redirect URIs: any public name, the names of the certificate only, or these. */
  readonly redirectHosts: 'any' | 'certificate' | readonly string[];
  /** For a sandbox. */
  readonly allowsLoopbackRedirects: boolean;
}

export interface ProvenRegistration {
  readonly clientId: string;
  readonly tpp: Tpp;
  readonly statement: ProvenStatement;
  readonly unknownMembers: StatementProfile['unknownMembers'];
  /** Default: no. */
  readonly allowsSelfSigned?: boolean;
}

export const MAX_REDIRECT_URIS = 20;
const MAX_URI = 2048;

/**
 * The client that a verified registration describes, after the schema and the rules of the clients of files, and the few rules
 * that a registration needs because no person has read the registration.
 *
 * @throws ERR_REGISTRATION_METADATA, ERR_REGISTRATION_REDIRECT_URI
 */
export function judgedClient(proven: ProvenRegistration, rules: RegistrationRules): RegisteredClient {
  const { clientId, tpp, statement, unknownMembers } = proven;
  const { metadata } = statement;
  const members = knownMembers(metadata, unknownMembers);
  const entry = {
    token_endpoint_auth_method: 'tls_client_auth',
    // RFC 7591 §2.
    grant_types: ['authorization_code'],
    ...members,
    ...withoutImplicit(members),
    client_id: clientId,
    client_name: nameOf(members.client_name, statement),
    software_on_behalf_of_org: statement.onBehalfOf,
    authorization_number: tpp.authorizationNumber,
    nca: tpp.nca.id,
    scope: scopeOf(members.scope, proven, rules),
  };
  const { data, error } = clientSchema.safeParse(entry);
  if (data === undefined) throw schemaRefusal(error.issues[0]);
  for (const { path, message } of findRuleProblems(data, rules)) {
    // The rules of a file name the member in their sentence.
    throw memberRefusal(path, message.startsWith(`${path} `) ? message.slice(path.length + 1) : message);
  }
  assertRedirects(data.redirect_uris, proven, rules);
  assertFlows(data);
  const client = registeredClient(data);
  assertAuthentication(client, metadata);
  assertSubject(client, tpp);
  assertCertified(client, proven);
  return client;
}

/**
 * OpenID Connect Registration §2 asks for `implicit` beside `authorization_code` where the response is `code id_token`. The grant
 * itself is never given: no token comes from the authorization endpoint.
 */
function withoutImplicit({ grant_types: grants, response_types: types }: Readonly<Record<string, unknown>>): {
  readonly grant_types?: readonly unknown[];
} {
  const isHybrid = Array.isArray(types) && types.includes('code id_token');
  if (!isHybrid || !Array.isArray(grants) || !grants.includes('authorization_code')) return {};
  return { grant_types: grants.filter((grant) => grant !== 'implicit') };
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string };

function schemaRefusal(issue: Issue | undefined) {
  const [member = 'body', ...inner] = (issue?.path ?? []).map(String);
  const place = inner.length === 0 ? '' : `(${inner.join('.')}) `;
  return memberRefusal(member, `${place}${issue?.message ?? 'is not valid'}`);
}

/** A name of the client's own could pass for that of another TPP (H9). */
function nameOf(name: unknown, { names }: ProvenStatement): string {
  if (name === undefined) return names[0];
  const found = names.find((one) => one === name);
  if (found === undefined) throw memberRefusal('client_name', `must be ${names.join(' or ')}, or absent`);
  return found;
}

/** Without a scope: every one that the TPP may have. */
function scopeOf(scope: unknown, { tpp, statement }: ProvenRegistration, rules: RegistrationRules): string {
  const { scopes = rules.apiScopes } = statement;
  if (scope === undefined) return ['openid', ...scopesAllowed(tpp.roles, scopes)].join(' ');
  if (typeof scope !== 'string') throw memberRefusal('scope', 'must be a text (RFC 7591 section 2)');
  const asked = scope.split(' ').filter((one) => one !== '' && !OPENID_SCOPES.includes(one));
  const foreign = asked.filter((one) => !scopes.includes(one));
  if (foreign.length > 0) {
    throw memberRefusal('scope', `has scopes that a TPP cannot have this way: ${foreign.join(' ')}`);
  }
  try {
    assertScopesAllowed(tpp, asked);
  } catch (cause) {
    if (!isRefusal(cause, 'ERR_TPP_ROLE_MISSING')) throw cause;
    const { scope: one, needed } = cause.details;
    throw memberRefusal('scope', `has ${one}, for which the TPP needs ${needed} (TS 119 495 5.2.2)`, cause);
  }
  return scope;
}

function assertRedirects(
  uris: readonly string[],
  { tpp, statement }: ProvenRegistration,
  rules: RegistrationRules,
): void {
  const refuse = (problem: string) => memberRefusal('redirect_uris', problem);
  if (uris.length > MAX_REDIRECT_URIS) throw refuse(`must be at most ${MAX_REDIRECT_URIS}`);
  if (new Set(uris).size !== uris.length) throw refuse('has a URI twice');
  for (const uri of uris) {
    if (uri.length > MAX_URI) throw refuse(`must have at most ${MAX_URI} characters each`);
    if (statement.redirectUris?.includes(uri) === false) {
      throw refuse(`has ${uri}, which the statement does not have`);
    }
    const problem = findHostProblem(new URL(uri).hostname, tpp, rules);
    if (problem !== undefined) throw refuse(problem);
  }
}

/** Why a redirect URI of a TPP cannot have this host. */
function findHostProblem(
  hostname: string,
  tpp: Tpp,
  {
    redirectHosts,
    allowsLoopbackRedirects,
  }: Pick<RegistrationRules, 'redirectHosts' | 'allowsLoopbackRedirects'>,
): string | undefined {
  const isOwnMachine = isLoopback(hostname);
  if (allowsLoopbackRedirects && isOwnMachine) return undefined;
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  if (isOwnMachine || isAddress || !/[^.]\.[^.]/.test(hostname)) {
    return `has ${hostname}, which is no public host name`;
  }
  if (redirectHosts === 'any') return undefined;
  const isOfCertificate = redirectHosts === 'certificate';
  if ((isOfCertificate ? hostsOf(tpp) : redirectHosts).includes(hostname)) return undefined;
  const source = isOfCertificate ? 'the certificate (subjectAltName)' : 'the list of the bank';
  return `has ${hostname}, which is no name of ${source}`;
}

/** The host names of a certificate. A wildcard names no host, and neither does a name with a trailing dot. */
function hostsOf({ certificate: { parsed } }: Tpp): readonly string[] {
  return parsed.subjectAlternativeNames.flatMap((name) =>
    name.kind === 'dns' && isHostName(name.value) ? [name.value.toLowerCase()] : [],
  );
}

function isLoopback(hostname: string): boolean {
  return /^(?:(?:.*\.)?localhost\.?|127\.[\d.]+|\[::1\])$/.test(hostname);
}

/** Grants, response types and redirect URIs must fit (RFC 7591 §2.1, §5). */
function assertFlows(members: {
  readonly grant_types: readonly string[];
  readonly response_types?: readonly string[] | undefined;
  readonly redirect_uris: readonly string[];
}): void {
  const { grant_types: grants, response_types: types, redirect_uris: uris } = members;
  if (new Set(grants).size !== grants.length) throw memberRefusal('grant_types', 'has a grant twice');
  if (grants.includes('authorization_code')) return;
  const problem = 'is for the grant authorization_code (RFC 7591 section 2.1)';
  if (types !== undefined) throw memberRefusal('response_types', problem);
  if (uris.length > 0) throw memberRefusal('redirect_uris', problem);
}

/** Members that say again what others say. */
function assertAuthentication(client: RegisteredClient, metadata: Readonly<Record<string, unknown>>): void {
  const method = client.token_endpoint_auth_method;
  for (const name of ['introspection_endpoint_auth_method', 'revocation_endpoint_auth_method']) {
    if (metadata[name] === undefined || metadata[name] === method) continue;
    throw memberRefusal(name, `must be ${method}, as at the token endpoint`);
  }
  const name = 'token_endpoint_auth_signing_alg';
  const algorithm = metadata[name];
  if (algorithm === undefined) return;
  // The keys of an address are not read yet: an assertion of another algorithm is refused when it comes.
  const isOfKey = client.jwks?.keys.some((key) => algorithmOf({ ...key }) === algorithm);
  const isKnown = isOfKey ?? ['ES256', 'PS256', 'EdDSA'].some((one) => one === algorithm);
  if (method === 'private_key_jwt' && isKnown) return;
  throw memberRefusal(name, 'must be the algorithm of a key of the client, and is for private_key_jwt');
}

/** @throws ERR_REGISTRATION_METADATA */
function assertCertified(
  { token_endpoint_auth_method: method }: RegisteredClient,
  { allowsSelfSigned = false }: ProvenRegistration,
): void {
  if (method !== 'self_signed_tls_client_auth' || allowsSelfSigned) return;
  throw memberRefusal('token_endpoint_auth_method', `cannot be ${method} in this way of registering`);
}

/** A subject that the certificate of this connection does not have would lock the client out. */
function assertSubject({ subject }: RegisteredClient, { certificate }: Tpp): void {
  if (subject === undefined || matchesSubject(certificate.parsed, subject.property, subject.value)) return;
  throw memberRefusal(
    subject.property,
    'is not the subject of the certificate of this connection (RFC 8705 section 2.1.2)',
  );
}
