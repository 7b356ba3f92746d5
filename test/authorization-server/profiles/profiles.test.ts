import { describe, expect, it } from 'vitest';
import {
  findRegistrationProblems,
  profileMetadata,
} from '../../../src/authorization-server/profiles/client-rules.ts';
import { fapi1Advanced } from '../../../src/authorization-server/profiles/fapi1-advanced.ts';
import { fapi2Security } from '../../../src/authorization-server/profiles/fapi2-security.ts';
import type { Profile } from '../../../src/authorization-server/profiles/profile.ts';
import {
  PROFILES,
  profileOf,
  profilesNamed,
  type Profiles,
  rotatesRefreshTokens,
} from '../../../src/authorization-server/profiles/profiles.ts';
import { profileConfiguration } from '../../../src/authorization-server/profiles/provider-configuration.ts';

/** Another in everything, so that no part of a configuration is the same by chance. */
const other: Profile = {
  name: 'other',
  title: 'Other',
  providerProfile: '1.0 Final',
  responseModes: { code: ['jwt'] },
  signedResponses: 'required',
  pushedRequests: 'off',
  signedRequests: 'required',
  requestObject: { lifetimeSeconds: 60, ageSeconds: 60 },
  codeChallenge: 'pushed',
  nonce: 'openid',
  clientAuthMethods: ['private_key_jwt'],
  assertionAudience: 'issuer-or-endpoint',
  clientAlgorithms: ['ES256'],
  serverAlgorithms: ['PS256'],
  encryption: 'off',
  senderConstraints: ['certificate'],
  consentReferences: ['scope'],
  rotatesRefreshTokens: true,
  codeSeconds: 30,
  idTokenSeconds: 100,
  clockToleranceSeconds: 5,
};

const CLIENTS = [undefined, { profile: 'fapi2-security' }, { profile: 'other' }];

/** All that follows from the profiles, with the functions applied to a client of each. */
function followed(profiles: Profiles) {
  const { features, ttl, enabledJWA, clientDefaults, ...plain } = profileConfiguration(profiles);
  const forEach = <T>(of: (client: never) => T) => CLIENTS.map((client) => of(client as never));
  return {
    ...plain,
    clientAlgorithms: [enabledJWA.clientAuthSigningAlgValues, enabledJWA.requestObjectSigningAlgValues],
    serverAlgorithms: [
      enabledJWA.idTokenSigningAlgValues,
      enabledJWA.userinfoSigningAlgValues,
      enabledJWA.introspectionSigningAlgValues,
      enabledJWA.authorizationSigningAlgValues,
    ],
    defaultAlgorithms: [
      clientDefaults.id_token_signed_response_alg,
      clientDefaults.authorization_signed_response_alg,
      clientDefaults.introspection_signed_response_alg,
    ],
    defaultAuthMethod: clientDefaults.token_endpoint_auth_method,
    fapi: forEach((client) => features.fapi.profile({}, client)),
    pushed: features.pushedAuthorizationRequests.requirePushedAuthorizationRequests,
    signed: [features.requestObjects.enabled, features.requestObjects.requireSignedRequestObject],
    jarm: features.jwtResponseModes.enabled,
    rotates: forEach((client) => rotatesRefreshTokens({ profiles, rotatesRefreshTokens: false }, client)),
    codeSeconds: forEach((client) => ttl.AuthorizationCode({}, {}, client)),
    idTokenSeconds: forEach((client) => ttl.IdToken({}, {}, client)),
  };
}

describe("the provider's configuration follows from the profiles", () => {
  const common = {
    allowOmittingSingleRegisteredRedirectUri: false,
  };
  it.each([
    {
      profiles: [fapi2Security] as const,
      expected: {
        responseTypes: ['code'],
        clientAuthMethods: ['tls_client_auth', 'private_key_jwt'],
        clockTolerance: 10,
        clientAlgorithms: Array(2).fill(['PS256', 'ES256', 'EdDSA']),
        serverAlgorithms: Array(4).fill(['ES256', 'PS256']),
        defaultAlgorithms: Array(3).fill('ES256'),
        defaultAuthMethod: 'tls_client_auth',
        fapi: ['2.0', '2.0', '2.0'],
        pushed: true,
        signed: [false, false],
        jarm: false,
        rotates: [false, false, false],
        codeSeconds: [60, 60, 60],
        idTokenSeconds: [300, 300, 300],
      },
    },
    {
      profiles: [other] as const,
      expected: {
        responseTypes: ['code'],
        clientAuthMethods: ['private_key_jwt'],
        clockTolerance: 5,
        clientAlgorithms: Array(2).fill(['ES256']),
        serverAlgorithms: Array(4).fill(['PS256']),
        defaultAlgorithms: Array(3).fill('PS256'),
        defaultAuthMethod: 'private_key_jwt',
        fapi: Array(3).fill('1.0 Final'),
        pushed: false,
        signed: [true, true],
        jarm: true,
        rotates: [true, true, true],
        codeSeconds: [30, 30, 30],
        idTokenSeconds: [100, 100, 100],
      },
    },
    {
      profiles: [fapi2Security, other] as const,
      expected: {
        responseTypes: ['code'],
        clientAuthMethods: ['tls_client_auth', 'private_key_jwt'],
        clockTolerance: 10,
        clientAlgorithms: Array(2).fill(['PS256', 'ES256', 'EdDSA']),
        serverAlgorithms: Array(4).fill(['ES256', 'PS256']),
        defaultAlgorithms: Array(3).fill('ES256'),
        defaultAuthMethod: 'tls_client_auth',
        fapi: ['2.0', '2.0', '1.0 Final'],
        pushed: false,
        signed: [true, false],
        jarm: true,
        rotates: [false, false, true],
        codeSeconds: [60, 60, 30],
        idTokenSeconds: [300, 300, 100],
      },
    },
  ])('$profiles.length of them, $profiles.0.name first', ({ profiles, expected }) => {
    expect(followed(profiles)).toEqual({ ...common, ...expected });
  });

  const registered = {
    token_endpoint_auth_method: 'tls_client_auth',
    grant_types: ['authorization_code'],
  } as const;
  it.each([fapi2Security, other])('the metadata of a client: $name', (profile) => {
    const metadata = profileMetadata(profile, registered);
    expect(metadata).toMatchObject({
      profile: profile.name,
      require_pushed_authorization_requests: profile.pushedRequests === 'required',
      require_signed_request_object: profile.signedRequests === 'required',
      response_types: ['code'],
      response_modes: profile.responseModes.code,
    });
    expect(profileOf(metadata, [fapi2Security, other])).toBe(profile);
  });

  it('a client of FAPI 1 is bound to its certificate, whatever the bank allows others', () => {
    const client = { ...registered, sender_constraint: 'dpop' } as const;
    expect(findRegistrationProblems(fapi1Advanced, client)).toContainEqual({
      path: 'sender_constraint',
      message: 'has dpop: fapi1-advanced allows certificate',
    });
    expect(() => profileMetadata(fapi1Advanced, client)).toThrow(TypeError);
    const [one] = profilesNamed(['fapi1-advanced'], ['dpop', 'certificate']);
    expect(profileMetadata(one, registered)).toMatchObject({ sender_constraint: 'certificate' });
    const [none] = profilesNamed(['fapi1-advanced'], ['dpop']);
    expect(findRegistrationProblems(none, registered).map(({ path }) => path)).toContain('sender_constraint');
  });

  it('the first sender constraint that the bank names is the default, where the profile has it', () => {
    const [one] = profilesNamed(['fapi2-security'], ['dpop', 'certificate']);
    expect(profileMetadata(one, registered)).toMatchObject({
      sender_constraint: 'dpop',
      dpop_bound_access_tokens: true,
      tls_client_certificate_bound_access_tokens: false,
    });
    expect(
      findRegistrationProblems(one, { ...registered, sender_constraint: 'certificate-and-dpop' }),
    ).toHaveLength(1);
  });

  it('each profile is frozen', () => {
    for (const profile of PROFILES) {
      expect(Object.isFrozen(profile)).toBe(true);
      for (const value of Object.values(profile)) expect(Object.isFrozen(value)).toBe(true);
      for (const value of Object.values(profile.responseModes)) expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it('a name that no profile has is refused', () => {
    expect(() => profilesNamed(['fapi2-security', 'fapi3'])).toThrow(TypeError);
    expect(() => profilesNamed([])).toThrow(TypeError);
  });
});
