import type { Client, Configuration } from 'oidc-provider';
import { CONTENT_ENCRYPTIONS, ENCRYPTION_ALGORITHMS } from '../signing/decrypter.ts';
import { isSigned, responseTypesOf } from './client-rules.ts';
import { profileOf, type Profiles, responseModes, union } from './profiles.ts';

const NOT_ENCRYPTED = Object.fromEntries(
  ['requestObject', 'userinfo', 'introspection', 'authorization'].flatMap((name) => [
    [`${name}EncryptionAlgValues`, []],
    [`${name}EncryptionEncValues`, []],
  ]),
);

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
    // A client with a self-signed certificate is one of tls_client_auth to the provider (clients/client-metadata.ts).
    clientAuthMethods: union(profiles, (profile) => profile.clientAuthMethods).filter(
      (method) => method !== 'self_signed_tls_client_auth',
    ),
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
    ttl: {
      AuthorizationCode: (_ctx: unknown, _code: unknown, client: Client) =>
        profileOf(client, profiles).codeSeconds,
      IdToken: (_ctx: unknown, _token: unknown, client: Client) => profileOf(client, profiles).idTokenSeconds,
    },
  } satisfies Configuration;
}
