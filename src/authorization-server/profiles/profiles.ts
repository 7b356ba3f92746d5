import type { Client, ClientMetadata, Configuration } from 'oidc-provider';
import { fapi2Security } from './fapi2-security.ts';
import type { Profile } from './profile.ts';

type Profiles = readonly [Profile, ...Profile[]];

/** Every profile of this server. The first is that of a client without another. */
export const PROFILES: Profiles = Object.freeze([fapi2Security] as const);

/** The profile of a client of the provider; the first while the client of a request is not known yet. */
export function profileOf(
  client: Readonly<Record<string, unknown>> | undefined,
  profiles: Profiles = PROFILES,
): Profile {
  return profiles.find(({ name }) => name === client?.profile) ?? profiles[0];
}

/** The demands of a profile on a client, as the provider's metadata. A client cannot choose any of them. */
export function profileMetadata(profile: Profile) {
  return {
    profile: profile.name,
    tls_client_certificate_bound_access_tokens: profile.senderConstraint === 'certificate',
    require_pushed_authorization_requests: profile.requiresPushedRequests,
  } satisfies Partial<ClientMetadata>;
}

/**
 * The part of the provider's configuration that follows from the profiles. Where the provider passes the client, that
 * client's profile counts; elsewhere whatever one profile allows is allowed, and only what all demand is demanded.
 */
export function profileConfiguration(profiles: Profiles) {
  const union = <T>(of: (profile: Profile) => readonly T[]) => [...new Set(profiles.flatMap(of))];
  const clientAlgorithms = union((profile) => profile.clientAlgorithms);
  const serverAlgorithms = union((profile) => profile.serverAlgorithms);
  const [first] = profiles;
  const [algorithm] = first.serverAlgorithms;
  return {
    responseTypes: union((profile) => profile.responseTypes),
    clientAuthMethods: union((profile) => profile.clientAuthMethods),
    clientDefaults: {
      id_token_signed_response_alg: algorithm,
      authorization_signed_response_alg: algorithm,
      introspection_signed_response_alg: algorithm,
      token_endpoint_auth_method: first.clientAuthMethods[0],
      tls_client_certificate_bound_access_tokens: first.senderConstraint === 'certificate',
    },
    enabledJWA: {
      clientAuthSigningAlgValues: clientAlgorithms,
      requestObjectSigningAlgValues: clientAlgorithms,
      idTokenSigningAlgValues: serverAlgorithms,
      userinfoSigningAlgValues: serverAlgorithms,
      introspectionSigningAlgValues: serverAlgorithms,
      authorizationSigningAlgValues: serverAlgorithms,
    },
    clockTolerance: Math.max(...profiles.map((profile) => profile.clockToleranceSeconds)),
    features: {
      fapi: {
        enabled: true,
        profile: (_ctx: unknown, client?: Client) => profileOf(client, profiles).providerProfile,
      },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: profiles.every((profile) => profile.requiresPushedRequests),
      },
    },
    rotateRefreshToken: (ctx: { readonly oidc: { readonly client?: Client | undefined } }) =>
      profileOf(ctx.oidc.client, profiles).rotatesRefreshTokens,
    ttl: {
      AuthorizationCode: (_ctx: unknown, _code: unknown, client: Client) =>
        profileOf(client, profiles).codeSeconds,
      IdToken: (_ctx: unknown, _token: unknown, client: Client) => profileOf(client, profiles).idTokenSeconds,
    },
  } satisfies Configuration;
}
