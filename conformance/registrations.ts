import { CIBA_GRANT } from '../src/authorization-server/clients/registered-client.ts';
import type { SandboxDescription, SandboxTpp } from '../src/sandbox/folder.ts';
import { CIBA, type Combination, FAPI1_ADVANCED, MESSAGE_SIGNING, UK } from './combinations.ts';
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
  combination: Combination,
  tpp: SandboxTpp,
  from: { readonly key: ClientKey; readonly suite: URL; readonly alias: string },
) {
  const { name, variant } = combination;
  return {
    client_id: `${name}-${tpp.name}`,
    client_name: `${tpp.name} ${name}`,
    authorization_number: tpp.organizationIdentifier,
    token_endpoint_auth_method: variant.client_auth_type === 'mtls' ? 'tls_client_auth' : 'private_key_jwt',
    scope: scopeOf(variant),
    ...grantMembersOf(combination, from),
    ...profileMembersOf(combination),
    ...(variant.sender_constrain === 'dpop' ? { sender_constraint: 'dpop' } : {}),
    jwks: { keys: [from.key.publicJwk] },
  };
}

/** The grants of the plan, and the addresses that they need. */
function grantMembersOf(
  { plan, variant }: Combination,
  { suite, alias }: { readonly suite: URL; readonly alias: string },
) {
  if (variant.fapi_profile === 'fapi_client_credentials_grant')
    return { grant_types: ['client_credentials'] };
  if (plan !== CIBA) {
    return {
      grant_types: [
        'authorization_code',
        'refresh_token',
        // For the consent, before the customer is asked.
        ...(variant.fapi_profile === UK ? ['client_credentials'] : []),
      ],
      redirect_uris: redirectUrisOf(suite, alias),
    };
  }
  const endpoint = new URL(`/test/a/${alias}/ciba-notification-endpoint`, suite).href;
  return {
    grant_types: [CIBA_GRANT, 'refresh_token'],
    backchannel_token_delivery_mode: variant.ciba_mode,
    ...(variant.ciba_mode === 'ping' ? { backchannel_client_notification_endpoint: endpoint } : {}),
  };
}

/** The FAPI profile of the plan, and the choices that the profile leaves to the client. */
function profileMembersOf({ plan, variant }: Combination) {
  const isJarm = variant.fapi_response_mode === 'jarm';
  const isUk = variant.fapi_profile === UK;
  const naming = isUk ? { consent_references: ['openbanking_intent_id'] } : {};
  switch (plan) {
    case MESSAGE_SIGNING:
      return { profile: 'fapi2-message-signing', response_modes: [isJarm ? 'jwt' : 'query'], ...naming };
    case FAPI1_ADVANCED:
      return {
        profile: isUk ? 'uk-open-banking' : 'fapi1-advanced',
        response_types: [isJarm ? 'code' : 'code id_token'],
        require_pushed_authorization_requests: variant.fapi_auth_request_method === 'pushed',
      };
    case CIBA:
      return { profile: 'fapi1-advanced' };
    default:
      return { profile: 'fapi2-security', ...naming };
  }
}

/** Two scopes at least, so that their order can be tried; `openid` only where OpenID Connect is spoken. */
export function scopeOf(variant: Combination['variant']): string {
  return variant.openid === 'plain_oauth' ? 'accounts payments' : 'openid accounts';
}
