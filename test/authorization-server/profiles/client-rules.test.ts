import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findRegistrationProblems,
  type JudgedClient,
  profileMetadata,
} from '../../../src/authorization-server/profiles/client-rules.ts';
import { fapi1Advanced } from '../../../src/authorization-server/profiles/fapi1-advanced.ts';
import { fapi2MessageSigning } from '../../../src/authorization-server/profiles/fapi2-message-signing.ts';
import { fapi2Security } from '../../../src/authorization-server/profiles/fapi2-security.ts';
import { openFinanceBrasil } from '../../../src/authorization-server/profiles/open-finance-brasil.ts';
import { PROFILES } from '../../../src/authorization-server/profiles/profiles.ts';
import type { Profile } from '../../../src/authorization-server/profiles/profile.ts';
import { SENDER_CONSTRAINTS } from '../../../src/authorization-server/profiles/sender-constraint.ts';
import { findRuleProblems } from '../../../src/authorization-server/clients/client-schema.ts';

const jwk = (kid: string, { publicKey }: { readonly publicKey: KeyObject }) => ({
  ...publicKey.export({ format: 'jwk' }),
  kid,
});
const EC = jwk('ec', generateKeyPairSync('ec', { namedCurve: 'P-256' }));
const RSA = jwk('rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }));
const ED = jwk('ed', generateKeyPairSync('ed25519'));
const client: JudgedClient = {
  token_endpoint_auth_method: 'tls_client_auth',
  grant_types: ['authorization_code'],
  jwks: { keys: [EC] },
};
const withoutKeys: JudgedClient = {
  token_endpoint_auth_method: 'tls_client_auth',
  grant_types: ['authorization_code'],
};
const pathsOf = (profile: Profile, more: Partial<JudgedClient>, base = client) =>
  findRegistrationProblems(profile, { ...base, ...more }).map(({ path }) => path);

describe('a registration that its profile forbids', () => {
  it.each<[title: string, profile: Profile, more: Partial<JudgedClient>, path: string]>([
    ['hybrid', fapi2Security, { response_types: ['code id_token'] }, 'response_types'],
    ['hybrid', fapi2MessageSigning, { response_types: ['code', 'code id_token'] }, 'response_types'],
    ['JARM', fapi2Security, { response_modes: ['jwt'] }, 'response_modes'],
    ['plain code', fapi1Advanced, { response_modes: ['query'] }, 'response_modes'],
    ['fragment without hybrid', fapi1Advanced, { response_modes: ['fragment'] }, 'response_modes'],
    [
      'JARM with hybrid',
      fapi1Advanced,
      { response_types: ['code id_token'], response_modes: ['jwt'] },
      'response_modes',
    ],
    ...[fapi2Security, fapi2MessageSigning].map(
      (profile): [string, Profile, Partial<JudgedClient>, string] => [
        'no push',
        profile,
        { require_pushed_authorization_requests: false },
        'require_pushed_authorization_requests',
      ],
    ),
    [
      'no signed requests',
      fapi1Advanced,
      { require_signed_request_object: false },
      'require_signed_request_object',
    ],
    [
      'signed requests',
      fapi2Security,
      { require_signed_request_object: true },
      'require_signed_request_object',
    ],
    [
      'an algorithm of requests',
      fapi2Security,
      { request_object_signing_alg: 'ES256' },
      'request_object_signing_alg',
    ],
    [
      'an algorithm without a key',
      fapi2MessageSigning,
      { request_object_signing_alg: 'PS256' },
      'request_object_signing_alg',
    ],
    [
      'an algorithm of responses that are not signed',
      fapi2Security,
      { authorization_signed_response_alg: 'ES256' },
      'authorization_signed_response_alg',
    ],
    [
      'the same, switched off',
      fapi2MessageSigning,
      { authorization_signed_response_alg: 'ES256', response_modes: ['query'] },
      'authorization_signed_response_alg',
    ],
    ['an Ed25519 key', fapi1Advanced, { jwks: { keys: [EC, ED] } }, 'jwks'],
    ['two constraints', fapi1Advanced, { sender_constraint: 'certificate-and-dpop' }, 'sender_constraint'],
    ...(
      [
        'id_token_signed_response_alg',
        'authorization_signed_response_alg',
        'introspection_signed_response_alg',
      ] as const
    ).map((path): [string, Profile, Partial<JudgedClient>, string] => [
      'an algorithm that its market does not have',
      openFinanceBrasil,
      { jwks: { keys: [RSA] }, [path]: 'ES256' },
      path,
    ]),
  ])('%s: %o', (_title, profile, more, path) => {
    expect(pathsOf(profile, more)).toContain(path);
    expect(pathsOf(profile, {}).includes(path)).toBe(false);
  });

  it.each([fapi2MessageSigning, fapi1Advanced])('signed requests without keys: $name', (profile) => {
    expect(pathsOf(profile, {}, withoutKeys)).toEqual(['jwks']);
  });

  it('a profile that the server does not allow, and no other way into the configuration', () => {
    const entry = { ...client, client_id: 'c', scope: '', profile: 'fapi1-advanced' };
    const rules = { apiScopes: [], profiles: [fapi2Security] as const };
    expect(findRuleProblems(entry as never, rules).map(({ path }) => path)).toEqual(['profile']);
  });
});

const some = <T>(...values: readonly T[]) =>
  fc.option(fc.constantFrom(...values), { nil: undefined, freq: 2 });
const registrations = fc.record({
  token_endpoint_auth_method: fc.constantFrom('tls_client_auth' as const, 'private_key_jwt' as const),
  grant_types: fc.subarray(['authorization_code', 'client_credentials', 'refresh_token'], { minLength: 1 }),
  jwks: fc.option(
    fc.subarray([EC, RSA, ED], { minLength: 1 }).map((keys) => ({ keys })),
    {
      nil: undefined,
      freq: 2,
    },
  ),
  response_types: fc.option(fc.subarray(['code' as const, 'code id_token' as const], { minLength: 1 }), {
    nil: undefined,
    freq: 2,
  }),
  response_modes: fc.option(
    fc.subarray(['query', 'fragment', 'jwt', 'query.jwt', 'fragment.jwt'] as const, { minLength: 1 }),
    { nil: undefined, freq: 2 },
  ),
  require_pushed_authorization_requests: some(true, false),
  require_signed_request_object: some(true, false),
  request_object_signing_alg: some('PS256' as const, 'ES256' as const, 'EdDSA' as const),
  authorization_signed_response_alg: some('PS256' as const, 'ES256' as const),
  id_token_signed_response_alg: some('PS256' as const, 'ES256' as const),
  sender_constraint: some(...SENDER_CONSTRAINTS),
});

describe('a registration that its profile allows', () => {
  it.each(PROFILES)('is never weaker than $name', (profile) => {
    let allowed = 0;
    fc.assert(
      fc.property(registrations, (registration) => {
        if (findRegistrationProblems(profile, registration).length > 0) return;
        allowed += 1;
        const metadata = profileMetadata(profile, registration);
        const isFapi1 = !profile.name.startsWith('fapi2');
        const { tls_client_certificate_bound_access_tokens: byCertificate } = metadata;
        expect(byCertificate || metadata.dpop_bound_access_tokens).toBe(true);
        if (isFapi1) expect(metadata.sender_constraint).toBe('certificate');
        if (profile.name === 'open-finance-brasil') {
          expect(metadata.id_token_signed_response_alg).toBe('PS256');
          expect(registration.jwks?.keys.every(({ kty }) => kty === 'RSA')).not.toBe(false);
        }
        if (profile.name === 'cdr-au') {
          expect(registration.token_endpoint_auth_method).toBe('private_key_jwt');
          expect(metadata.response_types).not.toContain('code id_token');
        }
        if (!isFapi1 || profile.name === 'cdr-au')
          expect(metadata.require_pushed_authorization_requests).toBe(true);
        if (isFapi1) expect(metadata.require_signed_request_object).toBe(true);
        expect(isFapi1 || !metadata.response_types.some((type) => type !== 'code')).toBe(true);
        expect(metadata.response_modes ?? []).not.toContain(isFapi1 ? 'query' : 'form_post');
        if (profile === fapi2Security) {
          expect(metadata.response_modes?.some((mode) => mode.endsWith('jwt'))).not.toBe(true);
        }
        if (profile === fapi2MessageSigning && registration.response_modes === undefined) {
          expect(metadata.response_modes?.every((mode) => mode.endsWith('jwt'))).not.toBe(false);
        }
      }),
      { seed: 13, numRuns: 3000 },
    );
    expect(allowed).toBeGreaterThan(10);
  });
});
