import { hkdfSync } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { AdapterFactory, Client, Configuration } from 'oidc-provider';
import type { ConsentUses } from '../consent/consent-uses.ts';
import type { Log } from '../events.ts';
import type { Ciba, CibaOptions } from './ciba/ciba.ts';
import { type AccessJudge, apiScopes, type ApiScopesOptions } from './tokens/api-scopes.ts';
import {
  assertClientAssertion,
  certificateSubjectMatches,
  noteInactive,
} from './clients/client-authentication.ts';
import { clientMetadata, EXTRA_CLIENT_METADATA } from './clients/client-metadata.ts';
import { addressedKeys, type KeysByAddress } from './clients/keys-by-address.ts';
import type { Clients } from './clients/clients.ts';
import { OPENID_SCOPES } from './clients/registered-client.ts';
import { CookieSignatures } from './cookie-signatures.ts';
import { discoveryExtras, type OpenGrantManagement } from './discovery.ts';
import { errorMode } from './profiles/error-mode.ts';
import {
  marketAcrValues,
  profileOf,
  type Profiles,
  responseModes,
  rotatesRefreshTokens,
} from './profiles/profiles.ts';
import { profileConfiguration } from './profiles/provider-configuration.ts';
import { providerKeys } from './signing/provider-keys.ts';
import type { AcrOptions } from './customer/bank/aspsp-calls.ts';
import type { CustomerClaim } from './customer/claims/customer-claims.ts';
import { essentialAcrRule } from './customer/authentication/authentication-requirements.ts';
import type { ReleasedClaims } from './customer/claims/released-claims.ts';
import { interactionPolicy } from './customer/interaction-policy.ts';
import { takeOverSessions } from './customer/session-takeover.ts';
import { PROMPT_SECONDS } from './customer/visits.ts';
import { PROOF_ALGORITHMS } from './profiles/sender-constraint.ts';
import {
  keepResponseModes,
  leaveAudienceToHook,
  prepareAccessTokens,
  Provider,
  provideClients,
  replaceKeys,
} from './provider-internals.ts';
import { grantManagementParameters } from './request/authorization-request/grant-action.ts';
import { assertClaims } from './request/authorization-request/claims-parameter.ts';
import { ENDPOINTS } from './request/routes.ts';
import type { RegistrationSettings } from './registration/opened-registration.ts';
import type { FollowedSigner } from './signing/signer.ts';
import { grantedDetails, type GrantedDetailsOptions } from './tokens/granted-details.ts';
import { authenticationClaims, tokenClaims, withinGrant } from './tokens/token-claims.ts';
import type { TokenStatus } from './token-status/token-status.ts';
import { INTENT_CLAIM, intentClaim } from './request/authorization-request/named-access.ts';
import { assertRequestObject } from './request/request-object.ts';
import { bindToken } from './tokens/token-binding.ts';
import { actingTpp, type CertificateRule, gateCertificate, isPush, provenTpp } from './request/tpp-gate.ts';

export interface ProviderOptions extends ApiScopesOptions, GrantedDetailsOptions, CertificateRule {
  /** URL of the front channel; the issuer identifier (RFC 8414 §2). */
  readonly issuer: string;
  readonly mtlsUrl: URL;
  readonly clients: Pick<Clients, 'findNamed' | 'findStored' | 'findRecord'>;
  /** Profiles that clients may have; the first is that of a client without another. */
  readonly profiles: Profiles;
  readonly consentSeconds: number;
  /** Whether a scope alone can ask for payments. */
  readonly allowsPaymentsByScope: boolean;
  /** Absent: CIBA is off. */
  readonly ciba: Pick<CibaOptions, 'rules' | 'privateHosts' | 'caPem' | 'proxy'> | undefined;
  readonly grantManagement: OpenGrantManagement;
  readonly registration: RegistrationSettings;
  readonly keysByAddress: KeysByAddress;
  /** Rotates for every client, also where its profile does not. */
  readonly rotatesRefreshTokens: boolean;
  /** Each DPoP proof must hold a nonce of this server (RFC 9449 §8). */
  readonly requiresDpopNonce: boolean;
  readonly signer: FollowedSigner;
  /** Key of hashes, encryption and cookies; 32 bytes. */
  readonly secret: Buffer;
  readonly consentUses: Pick<ConsentUses, 'note'>;
  /** Authentication contexts that logins can reach (`acr`). */
  readonly acr: AcrOptions;
  /** Claims about customers that this bank gives to TPPs. */
  readonly customerClaims: readonly CustomerClaim[];
  readonly log: Log;
}

/** The parts that the authorization server makes for its provider. */
export interface ProviderParts {
  readonly adapter: AdapterFactory;
  readonly tokenStatus: TokenStatus;
  readonly releasedClaims: Pick<ReleasedClaims, 'ofIdToken'>;
  readonly renderError: NonNullable<Configuration['renderError']>;
  /** Absent: CIBA is off. */
  readonly ciba: Ciba | undefined;
  /** Judges what an authorization request asks for. */
  readonly judge: AccessJudge;
}

/** Twice the time of a prompt: a customer who comes too late is still led back to the TPP. */
const INTERACTION_SECONDS = 2 * PROMPT_SECONDS;

/** oidc-provider as a FAPI server whose every access token is bound to its client, as that client's sender constraint demands. */
export function createProvider(options: ProviderOptions, parts: ProviderParts): Provider {
  const provider = new Provider(options.issuer, configuration(options, parts));
  keepResponseModes(provider, responseModes(options.profiles));
  leaveAudienceToHook(provider);
  // Emitted before the provider chooses the way of the answer.
  provider.on('authorization.error', ({ oidc }) => {
    const { client, params } = oidc;
    if (client !== undefined && params !== undefined) {
      params.response_mode = errorMode(client, params, options.profiles);
    }
  });
  // `error` is koa's own event; the library's types do not know it.
  (provider as EventEmitter).on('error', (error) => options.log.emit('server.unexpected', { error }));
  options.signer.follow((keys, holder) => replaceKeys(provider, providerKeys(holder, keys)));
  prepareAccessTokens(provider, bindToken);
  takeOverSessions(provider);
  provideClients(
    provider,
    {
      findNamed: (clientId) => options.clients.findNamed(clientId),
      findStored: async (clientId) =>
        (await options.clients.findStored(clientId)) ??
        noteInactive(Provider.ctx, await options.clients.findRecord(clientId)),
    },
    (client) => clientMetadata(client, options.profiles),
    (client) => addressedKeys(client, options),
  );
  return provider;
}

function configuration(options: ProviderOptions, parts: ProviderParts): Configuration {
  const profiled = profileConfiguration(options.profiles);
  return {
    adapter: parts.adapter,
    jwks: providerKeys(options.signer, options.signer.keys),
    routes: { ...ENDPOINTS },
    scopes: [...OPENID_SCOPES],
    claims: {
      openid: ['sub', 'auth_time', 'acr', 'amr'],
      ...Object.fromEntries([...options.customerClaims, INTENT_CLAIM].map((name) => [name, null])),
    },
    // Discovery has those of the configuration only.
    acrValues: [...options.acr.acrValues, ...marketAcrValues(options.profiles)],
    subjectTypes: ['public'],
    responseTypes: profiled.responseTypes,
    allowOmittingSingleRegisteredRedirectUri: profiled.allowOmittingSingleRegisteredRedirectUri,
    pkce: {
      required: (ctx, client) =>
        isPush(ctx) || profileOf(client, options.profiles).codeChallenge === 'always',
    },
    clientAuthMethods: profiled.clientAuthMethods,
    // A client without `authorization_details_types` may send those whose scope it has (tokens/api-scopes.ts).
    clientDefaults: {
      ...profiled.clientDefaults,
      authorization_details_types: [...options.detailTypes.names],
    },
    enabledJWA: { ...profiled.enabledJWA, dPoPSigningAlgValues: [...PROOF_ALGORITHMS] },
    clockTolerance: profiled.clockTolerance,
    extraClientMetadata: { properties: [...EXTRA_CLIENT_METADATA] },
    extraParams: grantManagementParameters(options.grantManagement),
    discovery: discoveryExtras(options, profiled),
    features: features(options, profiled.features, parts),
    assertJwtClientAuthClaimsAndHeader: assertClientAssertion(options),
    interactions: {
      policy: interactionPolicy(options.authorisationStatus),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    cookies: cookies(options.secret),
    findAccount: (ctx, sub) => ({
      accountId: sub,
      claims: async (_use, _scope, asked) => ({
        ...intentClaim(asked),
        ...(await parts.releasedClaims.ofIdToken(sub, Object.keys(asked), ctx.oidc.client?.clientId ?? '')),
        sub,
      }),
    }),
    loadExistingGrant: (ctx) => {
      // The grant of this authorization only: an earlier consent of the same PSU does not count for it.
      const grantId = ctx.oidc.result?.consent?.grantId;
      return Promise.resolve(grantId === undefined ? undefined : ctx.oidc.provider.Grant.find(grantId));
    },
    issueRefreshToken: (_ctx, client) => Promise.resolve(client.grantTypeAllowed('refresh_token')),
    rotateRefreshToken: (ctx) => rotatesRefreshTokens(options, ctx.oidc.client),
    expiresWithSession: () => Promise.resolve(false),
    revokeGrantPolicy: () => true,
    extraTokenClaims: async (ctx, token) => ({
      ...(await tokenClaims({ ...options, tokenStatus: parts.tokenStatus }, actingTpp(ctx), token)),
      ...authenticationClaims(ctx),
    }),
    renderError: parts.renderError,
    ttl: {
      AccessToken: (ctx) => withinGrant(options.clock, ctx, options.accessTokenSeconds),
      ClientCredentials: options.accessTokenSeconds,
      AuthorizationCode: profiled.ttl.AuthorizationCode,
      Grant: options.consentSeconds,
      RefreshToken: (ctx) => withinGrant(options.clock, ctx, options.consentSeconds),
      IdToken: profiled.ttl.IdToken,
      BackchannelAuthenticationRequest: (ctx) => parts.ciba?.secondsOf(ctx) ?? 1,
      Interaction: INTERACTION_SECONDS,
      Session: INTERACTION_SECONDS,
    },
  };
}

type Features = NonNullable<Configuration['features']>;

function features(
  options: ProviderOptions,
  profiled: ReturnType<typeof profileConfiguration>['features'],
  { ciba, judge }: Pick<ProviderParts, 'ciba' | 'judge'>,
): Features {
  return {
    devInteractions: { enabled: false },
    // Named experimental: the exact version of the package is pinned, and the acknowledgement names its revision.
    externalSigningSupport: { enabled: true, ack: 'experimental-01' },
    rpInitiatedLogout: { enabled: false },
    dPoP: dPoP(options),
    fapi: profiled.fapi,
    pushedAuthorizationRequests: profiled.pushedAuthorizationRequests,
    requestObjects: {
      ...profiled.requestObjects,
      enabled: profiled.requestObjects.enabled || ciba !== undefined,
      assertJwtClaimsAndHeader: assertRequestObject(options),
    },
    encryption: profiled.encryption,
    jwtResponseModes: profiled.jwtResponseModes,
    ciba: ciba?.feature ?? { enabled: false },
    clientCredentials: { enabled: true },
    // A TPP sees and ends its own tokens only.
    introspection: { enabled: true, allowedPolicy: isOwnToken },
    jwtIntrospection: { enabled: true },
    revocation: { enabled: true, allowedPolicy: isOwnToken },
    // tokens/userinfo.ts answers there; the provider refuses claims for an endpoint that it does not have.
    userinfo: { enabled: true },
    claimsParameter: {
      enabled: true,
      assertClaimsParameter: assertClaims([essentialAcrRule(options.acr.acrValues)]),
    },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => gateCertificate(ctx)?.certificate,
      certificateAuthorized: (ctx) => provenTpp(ctx) !== undefined,
      certificateSubjectMatches,
    },
    resourceIndicators: apiScopes(options, judge),
    richAuthorizationRequests: grantedDetails(options),
  };
}

/** The secret is that of all processes and hosts, so that each of them knows the nonces of the others. */
function dPoP({ secret, requiresDpopNonce }: ProviderOptions): NonNullable<Features['dPoP']> {
  const nonceSecret = Buffer.from(hkdfSync('sha256', secret, '', 'tallystick dpop nonces', 32));
  return {
    enabled: true,
    allowReplay: false,
    requireNonce: () => requiresDpopNonce,
    ...(requiresDpopNonce ? { nonceSecret } : {}),
  };
}

function isOwnToken(
  _ctx: unknown,
  client: Client,
  token: { readonly clientId?: string | undefined },
): boolean {
  return token.clientId === client.clientId;
}

function cookies(secret: Buffer): NonNullable<Configuration['cookies']> {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'tallystick cookies', 32));
  const attributes = { signed: true, httpOnly: true, secure: true, sameSite: 'lax' } as const;
  return {
    keys: new CookieSignatures(key),
    names: { session: '__Host-session', interaction: '__Secure-interaction', resume: '__Secure-resume' },
    long: { ...attributes },
    short: { ...attributes },
  };
}
