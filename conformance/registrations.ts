import type { SandboxDescription, SandboxTpp } from '../src/sandbox/folder.ts';
import { type Combination, FAPI1_ADVANCED, MESSAGE_SIGNING } from './combinations.ts';
import type { ClientKey } from './client-keys.ts';

/** A client of the suite, as it is registered and as the suite uses it. */
export interface SuiteClient {
  readonly tpp: SandboxTpp;
  readonly key: ClientKey;
  /** An entry of `clients` of the server's configuration. */
  readonly registration: Readonly<Record<string, unknown>> & { readonly client_id: string };
}

/** The TPPs whose certificates the suite gets; each has one client for each combination. */
const TPPS = ['money-one', 'money-two'] as const;

/** The two clients of a combination, of two TPPs. `keys`: one for each TPP. */
export function clientsOf(
  combination: Combination,
  from: {
    readonly sandbox: SandboxDescription;
    readonly keys: readonly ClientKey[];
    readonly suite: URL;
    readonly alias: string;
  },
): readonly [SuiteClient, SuiteClient] {
  const [one, two] = TPPS.map((name, at) => {
    const tpp = from.sandbox.tpps.find((candidate) => candidate.name === name);
    const key = from.keys[at];
    if (tpp === undefined || key === undefined) throw new TypeError(`there is no TPP ${name} with a key`);
    const registration = registrationOf(combination, tpp, { ...from, key });
    return { tpp, key, registration };
  });
  if (one === undefined || two === undefined) throw new TypeError('two clients are needed');
  return [one, two];
}

/** The redirect URIs that the suite uses under an alias; the second is for its second client. */
export function redirectUrisOf(suite: URL, alias: string): readonly [string, string] {
  const callback = new URL(`/test/a/${alias}/callback`, suite).href;
  return [callback, `${callback}?dummy1=lorem&dummy2=ipsum`];
}

function registrationOf(
  { name, plan, variant }: Combination,
  tpp: SandboxTpp,
  from: { readonly key: ClientKey; readonly suite: URL; readonly alias: string },
) {
  const hasCode = variant.fapi_profile !== 'fapi_client_credentials_grant';
  return {
    client_id: `${name}-${tpp.name}`,
    client_name: `${tpp.name} ${name}`,
    authorization_number: tpp.organizationIdentifier,
    token_endpoint_auth_method: variant.client_auth_type === 'mtls' ? 'tls_client_auth' : 'private_key_jwt',
    grant_types: hasCode ? ['authorization_code', 'refresh_token'] : ['client_credentials'],
    ...(hasCode ? { redirect_uris: redirectUrisOf(from.suite, from.alias) } : {}),
    scope: scopeOf(variant),
    ...profileMembersOf(plan, variant),
    ...(variant.sender_constrain === 'dpop' ? { sender_constraint: 'dpop' } : {}),
    jwks: { keys: [from.key.publicJwk] },
  };
}

/** The FAPI profile of the plan, and the choices that the profile leaves to the client. */
function profileMembersOf(plan: string, variant: Combination['variant']) {
  const isJarm = variant.fapi_response_mode === 'jarm';
  switch (plan) {
    case MESSAGE_SIGNING:
      return { profile: 'fapi2-message-signing', response_modes: [isJarm ? 'jwt' : 'query'] };
    case FAPI1_ADVANCED:
      return {
        profile: 'fapi1-advanced',
        response_types: [isJarm ? 'code' : 'code id_token'],
        require_pushed_authorization_requests: variant.fapi_auth_request_method === 'pushed',
      };
    default:
      return { profile: 'fapi2-security' };
  }
}

/** Two scopes at least, so that their order can be tried; `openid` only where OpenID Connect is spoken. */
export function scopeOf(variant: Combination['variant']): string {
  return variant.openid === 'plain_oauth' ? 'accounts payments' : 'openid accounts';
}
