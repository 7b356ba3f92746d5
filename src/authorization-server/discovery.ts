import type { Middleware } from 'koa';
import { OPENID_SCOPES } from './clients/registered-client.ts';
import { type Profiles, responseModes, union } from './profiles/profiles.ts';
import type { profileConfiguration } from './profiles/provider-configuration.ts';
import { senderConstraintDiscovery } from './profiles/sender-constraint.ts';
import { GRANT_ACTIONS, type GrantManagementRules } from './request/authorization-request/grant-action.ts';
import { hasEndpoints, type RegistrationSettings } from './registration/opened-registration.ts';
import { CONSENT_INFORMATION_PATH, ENDPOINTS, GRANTS_PATH, REGISTRATION_PATH } from './request/routes.ts';
import { GRANT_MANAGEMENT_SCOPES } from './tokens/grant-management-scopes.ts';
import { INTENT_CLAIM } from './request/authorization-request/named-access.ts';
import { CONTENT_ENCRYPTIONS, type Decrypter } from './signing/decrypter.ts';
import type { PublishedKey, Signer } from './signing/signer.ts';

const { authorization, jwks, ...ON_MTLS } = ENDPOINTS;
const { backchannel_authentication, ...WITHOUT_CIBA } = ON_MTLS;

/** Claims of an ID token about the customer and the login. */
const CLAIMS = Object.freeze(['sub', 'iss', 'auth_time', 'amr'] as const);
/** Lists of algorithms with which this server signs: an algorithm of a profile needs a key of this server. */
const SIGNING = [
  'id_token_signing_alg_values_supported',
  'authorization_signing_alg_values_supported',
  'introspection_signing_alg_values_supported',
] as const;

type ProviderMetadata = Readonly<
  Partial<Record<(typeof SIGNING)[number] | 'grant_types_supported', readonly string[]>>
>;

/** Undefined: CIBA is off. */
type OpenCiba = { readonly rules: { readonly userCode: boolean } } | undefined;

/** Undefined: grant management is off. */
export type OpenGrantManagement = GrantManagementRules | undefined;

/** Grant Management for OAuth 2.0 §7.1. */
function grantManagementMetadata({
  mtlsUrl,
  grantManagement,
}: {
  readonly mtlsUrl: URL;
  readonly grantManagement: OpenGrantManagement;
}): Record<string, unknown> {
  if (grantManagement === undefined) return {};
  return {
    ...grantManagementEndpoint(mtlsUrl),
    grant_management_actions_supported: ['query', 'revoke', ...GRANT_ACTIONS],
    grant_management_action_required: grantManagement.isActionRequired,
  };
}

/** Without a slash at the end: §6.3 appends one with the `grant_id`. */
function grantManagementEndpoint(mtlsUrl: URL): Record<string, string> {
  return { grant_management_endpoint: new URL(GRANTS_PATH.replace(/\/$/, ''), mtlsUrl).href };
}

function mtlsEndpoints(
  mtlsUrl: URL,
  { ciba, registration }: { readonly ciba: OpenCiba; readonly registration: RegistrationSettings },
): Record<string, string> {
  const at = ([name, path]: readonly [string, string]) => [`${name}_endpoint`, new URL(path, mtlsUrl).href];
  const paths = {
    ...(ciba === undefined ? WITHOUT_CIBA : ON_MTLS),
    ...(hasEndpoints(registration) ? { registration: REGISTRATION_PATH } : {}),
  };
  return Object.fromEntries(Object.entries(paths).map(at));
}

/**
 * The metadata (RFC 8414, OpenID Connect Discovery) is the same on both listeners. The provider derives each
 * address from the Host of the request, so that half of them would name the wrong listener.
 */
export function discoveryOnBothListeners(urls: {
  readonly issuer: string;
  readonly mtlsUrl: URL;
  readonly apiScopes: readonly string[];
  readonly acr: { readonly acrValues: readonly string[] };
  readonly customerClaims: readonly string[];
  /** The languages of the pages. The texts of a bank's module may be in others, which are not known here. */
  readonly uiLocales: readonly string[];
  readonly profiles: Profiles;
  readonly signer: Pick<Signer, 'keys'>;
  readonly decrypter: Pick<Decrypter, 'keys'>;
  readonly ciba: OpenCiba;
  readonly grantManagement: OpenGrantManagement;
  readonly registration: RegistrationSettings;
}): Middleware {
  const front = (path: string) => new URL(path, urls.issuer).href;
  const addresses = {
    authorization_endpoint: front(authorization),
    jwks_uri: front(jwks),
    // A name of our own, for the APIs of the bank.
    consent_information_endpoint: new URL(CONSENT_INFORMATION_PATH, urls.mtlsUrl).href,
    ...mtlsEndpoints(urls.mtlsUrl, urls),
    ...grantManagementMetadata(urls),
    ...(urls.ciba && { backchannel_user_code_parameter_supported: urls.ciba.rules.userCode }),
  };
  const acr = urls.acr.acrValues.length > 0 ? ['acr'] : [];
  const claims = [...CLAIMS, ...acr, ...urls.customerClaims, INTENT_CLAIM];
  const { acrValues } = urls.acr;
  const isEncrypting = urls.profiles.some(({ encryption }) => encryption !== 'never');
  const takesRequests = urls.profiles.some(({ signedRequests }) => signedRequests !== 'never');
  const isOfNoUse = (name: string) => isEncryption(name) || (!takesRequests && OF_REQUESTS.includes(name));
  const encryptionKeys = () => (isEncrypting ? urls.decrypter.keys : []);
  return async (ctx, next) => {
    await next();
    if (ctx.path === jwks && ctx.status === 200) {
      const { keys } = ctx.body as { readonly keys: readonly object[] };
      ctx.body = { keys: [...keys, ...encryptionKeys()] };
      // A new key is published for longer than this before it signs.
      ctx.set('cache-control', 'public, max-age=300');
    }
    if (ctx.path.startsWith('/.well-known/') && ctx.status === 200) {
      const metadata = ctx.body as ProviderMetadata;
      ctx.body = {
        ...Object.fromEntries(Object.entries(metadata).filter(([name]) => !isOfNoUse(name))),
        ...addresses,
        ...requestEncryption(encryptionKeys()),
        ...senderConstraintDiscovery(urls.profiles),
        claims_supported: claims,
        acr_values_supported: acrValues.length > 0 ? acrValues : undefined,
        ui_locales_supported: urls.uiLocales,
        ...withKeys(metadata, urls.signer.keys),
        // The hybrid flow is no reason to offer the implicit one, as the provider does.
        grant_types_supported: metadata.grant_types_supported?.filter((grant) => grant !== 'implicit'),
        response_modes_supported: [...responseModes(urls.profiles)],
        token_endpoint_auth_methods_supported: union(urls.profiles, (profile) => profile.clientAuthMethods),
        scopes_supported: [
          ...OPENID_SCOPES,
          ...urls.apiScopes,
          ...(urls.grantManagement === undefined ? [] : GRANT_MANAGEMENT_SCOPES),
        ],
      };
      ctx.set('cache-control', 'public, max-age=300');
    }
  };
}

/** Of request objects at the authorization and push endpoints: the provider writes them where CIBA alone has signed requests. */
const OF_REQUESTS = ['request_parameter_supported', 'request_object_signing_alg_values_supported'];

/** Encryption of what this server does not encrypt, and of request objects, which the provider does not decrypt. */
function isEncryption(name: string): boolean {
  return /^(request_object|authorization|introspection)_encryption_/.test(name);
}

function requestEncryption(keys: Decrypter['keys']): Readonly<Record<string, readonly string[]>> {
  return keys.length === 0
    ? {}
    : {
        request_object_encryption_alg_values_supported: keys.map(({ alg }) => alg),
        request_object_encryption_enc_values_supported: CONTENT_ENCRYPTIONS,
      };
}

function withKeys(metadata: ProviderMetadata, keys: readonly PublishedKey[]): ProviderMetadata {
  const hasKey = (algorithm: string) => keys.some(({ alg }) => alg === algorithm);
  return Object.fromEntries(
    SIGNING.flatMap((name) => (metadata[name] === undefined ? [] : [[name, metadata[name].filter(hasKey)]])),
  );
}

/** Metadata that oidc-provider does not write: aliases (RFC 8705 §5), client authentication at the other endpoints. */
export function discoveryExtras(
  {
    mtlsUrl,
    grantManagement,
    ...parts
  }: {
    readonly mtlsUrl: URL;
    readonly ciba: OpenCiba;
    readonly registration: RegistrationSettings;
    readonly grantManagement: OpenGrantManagement;
    readonly profiles: Profiles;
  },
  { enabledJWA: { clientAuthSigningAlgValues } }: ReturnType<typeof profileConfiguration>,
): Record<string, unknown> {
  const clientAuthMethods = union(parts.profiles, (profile) => profile.clientAuthMethods);
  return {
    mtls_endpoint_aliases: {
      ...mtlsEndpoints(mtlsUrl, parts),
      ...(grantManagement && grantManagementEndpoint(mtlsUrl)),
    },
    introspection_endpoint_auth_methods_supported: clientAuthMethods,
    introspection_endpoint_auth_signing_alg_values_supported: clientAuthSigningAlgValues,
    revocation_endpoint_auth_methods_supported: clientAuthMethods,
    revocation_endpoint_auth_signing_alg_values_supported: clientAuthSigningAlgValues,
  };
}
