import type { Client, Configuration } from 'oidc-provider';
import { isSigned, responseTypesOf } from './client-rules.ts';
import { cdrAu } from './cdr-au.ts';
import { fapi1Advanced } from './fapi1-advanced.ts';
import { fapi2MessageSigning } from './fapi2-message-signing.ts';
import { fapi2Security } from './fapi2-security.ts';
import { openFinanceBrasil } from './open-finance-brasil.ts';
import { ukOpenBanking } from './uk-open-banking.ts';
import { CONTENT_ENCRYPTIONS, ENCRYPTION_ALGORITHMS } from '../signing/decrypter.ts';
import { SENDER_CONSTRAINTS, type SenderConstraint } from './sender-constraint.ts';
import type { Profile, ResponseMode } from './profile.ts';

/** Profiles that a server allows. The first is that of a client without another. */
export type Profiles = readonly [Profile, ...Profile[]];

/** Every profile of this program. The first is the default. */
export const PROFILES: Profiles = Object.freeze([
  fapi2Security,
  fapi2MessageSigning,
  fapi1Advanced,
  ukOpenBanking,
  openFinanceBrasil,
  cdrAu,
] as const);

export const PROFILE_NAMES: readonly string[] = Object.freeze(PROFILES.map(({ name }) => name));

/**
 * The profiles of a configuration, the default first, each with the sender constraints that the bank allows, the default
 * first too.
 *
 * @throws TypeError for a name that no profile has
 */
export function profilesNamed(
  [first, ...others]: readonly string[],
  senderConstraints: readonly string[] = SENDER_CONSTRAINTS,
): Profiles {
  const named = (wanted: string | undefined): Profile => {
    const profile = PROFILES.find(({ name }) => name === wanted);
    if (profile === undefined) throw new TypeError(`there is no profile ${wanted}`);
    const ofBoth = senderConstraints.filter((one) => profile.senderConstraints.some((own) => own === one));
    return Object.freeze({ ...profile, senderConstraints: Object.freeze(ofBoth as SenderConstraint[]) });
  };
  return Object.freeze([named(first), ...others.map(named)] as const);
}

/** The profile that a registration names; undefined when the server does not allow it. */
export function findProfile(
  { profile: wanted }: { readonly profile?: string | undefined },
  profiles: Profiles,
): Profile | undefined {
  return wanted === undefined ? profiles[0] : profiles.find(({ name }) => name === wanted);
}

/** The profile of a client of the provider; the first while the client of a request is not known yet. */
export function profileOf(
  client: Readonly<Record<string, unknown>> | undefined,
  profiles: Profiles,
): Profile {
  return profiles.find(({ name }) => name === client?.profile) ?? profiles[0];
}

/** The claims of markets that ID tokens return. */
export function intentClaims(profiles: Profiles): readonly string[] {
  return union(profiles, ({ market }) => market?.intentClaim ?? []);
}

/** Authentication contexts of markets. */
export function marketAcrValues(profiles: Profiles): readonly string[] {
  return union(profiles, ({ market }) => market?.acrValues ?? []);
}

/** Every response mode that a client may ask for. */
export function responseModes(profiles: Profiles): readonly ResponseMode[] {
  return union(profiles, ({ responseModes: modes }) => Object.values(modes).flat());
}

const NOT_ENCRYPTED = Object.fromEntries(
  ['requestObject', 'userinfo', 'introspection', 'authorization'].flatMap((name) => [
    [`${name}EncryptionAlgValues`, []],
    [`${name}EncryptionEncValues`, []],
  ]),
);

function union<T>(profiles: Profiles, of: (profile: Profile) => T | readonly T[]): T[] {
  return [...new Set(profiles.flatMap(of))];
}

/**
 * The part of the provider's configuration that follows from the profiles. Where the provider passes the client, that
 * client's profile counts; elsewhere whatever one profile allows is allowed, and only what all demand is demanded.
 */
export function profileConfiguration(profiles: Profiles) {
  const clientAlgorithms = union(profiles, (profile) => profile.clientAlgorithms);
  const serverAlgorithms = union(profiles, (profile) => profile.serverAlgorithms);
  const [first] = profiles;
  const [algorithm] = first.serverAlgorithms;
  return {
    responseTypes: union(profiles, responseTypesOf),
    // FAPI 2.0 §5.3.2.2, FAPI 1 Part 1 §5.2.2: the redirect URI is always named.
    allowOmittingSingleRegisteredRedirectUri: false,
    clientAuthMethods: union(profiles, (profile) => profile.clientAuthMethods),
    clientDefaults: {
      id_token_signed_response_alg: algorithm,
      authorization_signed_response_alg: algorithm,
      introspection_signed_response_alg: algorithm,
      token_endpoint_auth_method: first.clientAuthMethods[0],
    },
    enabledJWA: {
      clientAuthSigningAlgValues: clientAlgorithms,
      requestObjectSigningAlgValues: clientAlgorithms,
      idTokenSigningAlgValues: serverAlgorithms,
      userinfoSigningAlgValues: serverAlgorithms,
      introspectionSigningAlgValues: serverAlgorithms,
      authorizationSigningAlgValues: serverAlgorithms,
      idTokenEncryptionAlgValues: [...ENCRYPTION_ALGORITHMS],
      idTokenEncryptionEncValues: [...CONTENT_ENCRYPTIONS],
      // Request objects are decrypted before the provider (request/authorization-request/encrypted-request.ts). Nothing else is encrypted.
      ...NOT_ENCRYPTED,
    },
    clockTolerance: Math.max(...profiles.map((profile) => profile.clockToleranceSeconds)),
    features: {
      fapi: {
        enabled: true,
        profile: (_ctx: unknown, client?: Client) => profileOf(client, profiles).providerProfile,
      },
      pushedAuthorizationRequests: {
        enabled: true,
        requirePushedAuthorizationRequests: profiles.every((one) => one.pushedRequests === 'required'),
      },
      requestObjects: {
        enabled: profiles.some((one) => one.signedRequests !== 'never'),
        requireSignedRequestObject: profiles.every((one) => one.signedRequests === 'required'),
      },
      encryption: { enabled: profiles.some((one) => one.encryption !== 'never') },
      jwtResponseModes: { enabled: responseModes(profiles).some(isSigned) },
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
