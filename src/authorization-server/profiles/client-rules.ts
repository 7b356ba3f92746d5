import type { ClientMetadata } from 'oidc-provider';
import type { JWK } from 'jose';
import type { ConsentReference } from '../../consent/details/consent-reference.ts';
import { type SenderConstraint, senderConstraintMetadata } from './sender-constraint.ts';
import { messageKeysOf } from './key-use.ts';
import type { SignatureAlgorithm } from '../signing/signer.ts';
import { type EncryptionChoices, encryptionMetadata, encryptionProblems } from './encryption-rules.ts';
import type {
  ClientAuthMethod,
  Demand,
  Profile,
  RegistrationProblem,
  ResponseMode,
  ResponseType,
  ServerAlgorithm,
} from './profile.ts';

/**
 * The members of a registration by which a client names its profile, and chooses where the profile leaves a choice
 * (RFC 7591, OpenID Connect Registration, RFC 9101 §10.5, RFC 9126 §6, RFC 9701 §6, JARM §3).
 */
export interface ProfileChoices extends EncryptionChoices {
  /** Absent: the default of the server. */
  readonly profile?: string | undefined;
  /** Absent: the first that the profile has at this server. */
  readonly sender_constraint?: SenderConstraint | undefined;
  /** Absent: `code` (RFC 7591 §2). */
  readonly response_types?: readonly ResponseType[] | undefined;
  /** Absent: the signed ones where the profile signs, or all that the profile has for the response types. */
  readonly response_modes?: readonly ResponseMode[] | undefined;
  readonly require_pushed_authorization_requests?: boolean | undefined;
  readonly require_signed_request_object?: boolean | undefined;
  readonly request_object_signing_alg?: SignatureAlgorithm | undefined;
  readonly id_token_signed_response_alg?: ServerAlgorithm | undefined;
  readonly authorization_signed_response_alg?: ServerAlgorithm | undefined;
  /** Present: every answer of the introspection endpoint to this client is signed. */
  readonly introspection_signed_response_alg?: ServerAlgorithm | undefined;
  /** Authentication contexts of a request that asks for none (OpenID Connect Registration §2). */
  readonly default_acr_values?: readonly string[] | undefined;
  /** How the client names what it asks for. Absent: as its market does, or by scopes and by authorization details. */
  readonly consent_references?: readonly ConsentReference[] | undefined;
  /** Types of authorization details that the client may send (RFC 9396 §10). Absent: those whose scope the client has. */
  readonly authorization_details_types?: readonly string[] | undefined;
}

/** A registration, as far as its profile has rules for it. */
export interface JudgedClient extends ProfileChoices {
  readonly token_endpoint_auth_method: ClientAuthMethod;
  readonly jwks?: { readonly keys: readonly JWK[] } | undefined;
  /** The keys there are judged when they are read. */
  readonly jwks_uri?: string | undefined;
  readonly grant_types: readonly string[];
}

/** Whether a response mode is JARM. */
export function isSigned(mode: ResponseMode): boolean {
  return mode.endsWith('jwt');
}

/** The response types of a profile. */
export function responseTypesOf(profile: Profile): readonly ResponseType[] {
  return Object.keys(profile.responseModes) as ResponseType[];
}

/**
 * The demands of a profile on a client with these choices, as the provider's metadata. Where the profile has no choice,
 * no registration can have one.
 */
export function profileMetadata(profile: Profile, client: JudgedClient) {
  const redirects = client.grant_types.includes('authorization_code');
  const [algorithm] = profile.serverAlgorithms;
  return {
    profile: profile.name,
    response_types: redirects ? [...typesOf(client)] : [],
    ...(redirects ? { response_modes: [...responseModesOf(profile, client)] } : {}),
    ...senderConstraintMetadata(constraintOf(profile, client)),
    require_pushed_authorization_requests: isOn(
      profile.pushedRequests,
      client.require_pushed_authorization_requests,
    ),
    require_signed_request_object: isOn(profile.signedRequests, client.require_signed_request_object),
    id_token_signed_response_alg: client.id_token_signed_response_alg ?? algorithm,
    authorization_signed_response_alg: client.authorization_signed_response_alg ?? algorithm,
    introspection_signed_response_alg: client.introspection_signed_response_alg ?? algorithm,
    ...encryptionMetadata(client),
    ...acrMetadata(profile, client),
    consent_references: [...(client.consent_references ?? profile.consentReferences)],
    ...(client.authorization_details_types === undefined
      ? {}
      : { authorization_details_types: [...client.authorization_details_types] }),
    signs_introspection: client.introspection_signed_response_alg !== undefined,
    ...(client.request_object_signing_alg === undefined
      ? {}
      : { request_object_signing_alg: client.request_object_signing_alg }),
  } satisfies Partial<ClientMetadata>;
}

function acrMetadata({ market }: Profile, { default_acr_values: chosen }: ProfileChoices) {
  const values = chosen ?? market?.acrValues;
  return values === undefined ? {} : { default_acr_values: [...values] };
}

/** The response modes that a client may ask for; the default first. */
export function responseModesOf(profile: Profile, client: ProfileChoices): readonly ResponseMode[] {
  if (client.response_modes !== undefined) return client.response_modes;
  const all = possibleModes(profile, typesOf(client));
  return profile.signedResponses === 'on' ? all.filter(isSigned) : all;
}

const SERVER_ALGORITHMS = [
  'id_token_signed_response_alg',
  'authorization_signed_response_alg',
  'introspection_signed_response_alg',
] as const;

function present<T>(value: T | undefined): readonly T[] {
  return value === undefined ? [] : [value];
}

/** Which of the profile's rules a registration breaks: for every way to register a client. */
export function findRegistrationProblems(
  profile: Profile,
  client: JudgedClient,
): readonly RegistrationProblem[] {
  return [
    ...typeAndModeProblems(profile, client),
    ...switchProblems(profile, client),
    ...constraintProblems(profile, client),
    ...algorithmProblems(profile, client),
    ...SERVER_ALGORITHMS.flatMap((path) =>
      findForeign(path, present(client[path]), profile.serverAlgorithms, profile),
    ),
    ...encryptionProblems(profile, client),
  ];
}

/** How the access tokens of a client are bound to it. @throws TypeError for a way that the profile does not allow */
function constraintOf(
  { name, senderConstraints: allowed }: Profile,
  { sender_constraint: constraint = allowed[0] }: ProfileChoices,
): SenderConstraint {
  if (constraint !== undefined && allowed.includes(constraint)) return constraint;
  throw new TypeError(`${name} does not allow the sender constraint ${constraint}`);
}

function constraintProblems(profile: Profile, client: JudgedClient): readonly RegistrationProblem[] {
  const { senderConstraints: allowed } = profile;
  const path = 'sender_constraint';
  if (client[path] !== undefined) return findForeign(path, [client[path]], allowed, profile);
  if (allowed.length > 0) return [];
  return [{ path, message: `is none: ${profile.name} has none that senderConstraints.allowed names` }];
}

function typesOf({ response_types: types = ['code'] }: ProfileChoices): readonly ResponseType[] {
  return types;
}

function possibleModes(profile: Profile, types: readonly ResponseType[]): readonly ResponseMode[] {
  return [...new Set(types.flatMap((type) => profile.responseModes[type] ?? []))];
}

function isOn(demand: Demand, choice: boolean | undefined): boolean {
  if (demand === 'required' || demand === 'never') return demand === 'required';
  return choice ?? demand === 'on';
}

function typeAndModeProblems(profile: Profile, client: JudgedClient): readonly RegistrationProblem[] {
  const types = responseTypesOf(profile);
  const modes = possibleModes(profile, typesOf(client));
  return [
    ...findForeign('response_types', typesOf(client), types, profile),
    ...findForeign('response_modes', client.response_modes ?? [], modes, profile),
    ...findForeign(
      'token_endpoint_auth_method',
      [client.token_endpoint_auth_method],
      profile.clientAuthMethods,
      profile,
    ),
  ];
}

function findForeign<T extends string>(
  path: string,
  chosen: readonly T[],
  allowed: readonly T[],
  { name }: Profile,
): readonly RegistrationProblem[] {
  const foreign = chosen.filter((one) => !allowed.includes(one));
  if (foreign.length === 0) return [];
  return [{ path, message: `has ${foreign.join(', ')}: ${name} allows ${allowed.join(', ') || 'none'}` }];
}

function switchProblems(profile: Profile, client: JudgedClient): readonly RegistrationProblem[] {
  const switches = [
    ['require_pushed_authorization_requests', profile.pushedRequests],
    ['require_signed_request_object', profile.signedRequests],
  ] as const;
  return switches.flatMap(([path, demand]) => {
    const choice = client[path];
    if (demand === 'required' && choice === false) {
      return [{ path, message: `cannot be false: ${profile.name} demands it` }];
    }
    if (demand === 'never' && choice === true) {
      return [{ path, message: `cannot be true: ${profile.name} does not have it` }];
    }
    return [];
  });
}

function algorithmProblems(profile: Profile, client: JudgedClient): readonly RegistrationProblem[] {
  const problems: RegistrationProblem[] = [];
  const { request_object_signing_alg: chosen } = client;
  const signsRequests = isOn(profile.signedRequests, client.require_signed_request_object);
  const redirects = client.grant_types.includes('authorization_code');
  const keys = messageKeysOf(client)?.filter(({ use }) => use !== 'enc');
  if (chosen !== undefined && profile.signedRequests === 'never') {
    problems.push({
      path: 'request_object_signing_alg',
      message: `${profile.name} does not have signed requests`,
    });
  }
  if (client.authorization_signed_response_alg !== undefined) {
    const isNeeded = responseModesOf(profile, client).some(isSigned);
    const path = 'authorization_signed_response_alg';
    if (!isNeeded) problems.push({ path, message: 'the client has no response mode with a signature' });
  }
  const hasKeys = keys !== undefined || client.jwks_uri !== undefined;
  if (!hasKeys && ((redirects && signsRequests) || chosen !== undefined)) {
    problems.push({
      path: 'jwks',
      message: `or jwks_uri is required: requests of ${profile.name} are signed`,
    });
  }
  const unfit = keys?.filter((key) => !isOf(profile.clientAlgorithms, key)) ?? [];
  if (unfit.length > 0) {
    const allowed = profile.clientAlgorithms.join(', ');
    problems.push({
      path: 'jwks',
      message: `has a key of another algorithm: ${profile.name} allows ${allowed}`,
    });
  }
  if (chosen !== undefined && keys !== undefined && !keys.some((key) => isOf([chosen], key))) {
    problems.push({ path: 'request_object_signing_alg', message: `no key of jwks signs ${chosen}` });
  }
  return problems;
}

/** The algorithm for which a key of these members is good (RFC 7518 §3.1, RFC 8037 §3.1). */
export function algorithmOf({ kty, crv }: Readonly<Record<string, unknown>>): SignatureAlgorithm | undefined {
  if (kty === 'RSA') return 'PS256';
  if (crv === 'P-256') return 'ES256';
  return crv === 'Ed25519' ? 'EdDSA' : undefined;
}

/** The keys with which a client of a profile may sign, and those for encryption. */
export function usableKeys(profile: Profile, keys: readonly JWK[]): readonly JWK[] {
  return keys.filter((key) => key.use === 'enc' || isOf(profile.clientAlgorithms, key));
}

function isOf(algorithms: readonly SignatureAlgorithm[], key: JWK): boolean {
  const algorithm = algorithmOf(key as Readonly<Record<string, unknown>>);
  return algorithm !== undefined && algorithms.includes(algorithm);
}
