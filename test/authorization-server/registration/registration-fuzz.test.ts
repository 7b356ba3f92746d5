import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientMetadata } from '../../../src/authorization-server/clients/client-metadata.ts';
import { clientSchema, findRuleProblems } from '../../../src/authorization-server/clients/client-schema.ts';
import type { RegisteredClient } from '../../../src/authorization-server/clients/registered-client.ts';
import { findProfile, profilesNamed } from '../../../src/authorization-server/profiles/profiles.ts';
import {
  judgedClient,
  type RegistrationRules,
} from '../../../src/authorization-server/registration/client-registration.ts';
import { registrationAnswer } from '../../../src/authorization-server/registration/registration-answer.ts';
import { membersOf } from '../../../src/authorization-server/registration/certificate-statement.ts';
import { isRefusal } from '../../../src/errors.ts';
import { createAuthority } from '../../../src/sandbox/pki/pki.ts';
import type { Tpp } from '../../../src/tpp/authenticate.ts';
import { parseCertificate } from '../../../src/x509/certificate/certificate.ts';
import { changeable } from './registering.ts';

const PERIOD = { notBefore: new Date('2026-01-01'), notAfter: new Date('2028-01-01') };
const NAMES = ['fapi2-security', 'fapi2-message-signing', 'fapi1-advanced'];
const rules: RegistrationRules = {
  apiScopes: ['accounts', 'payments'],
  profiles: profilesNamed(NAMES, ['certificate', 'certificate-and-dpop']),
  acrValues: [],
  deliveryModes: ['poll', 'ping'],
  redirectHosts: 'any',
  allowsLoopbackRedirects: false,
};

const keys = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
].map(({ publicKey }, at) => ({ ...publicKey.export({ format: 'jwk' }), kid: `k${at}` }));
const privateKey = {
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  kid: 'd',
};

const own = <T>(...values: readonly T[]) => fc.constantFrom(...values);
/** For each member: values that some client may have, and values that would weaken one. */
const MEMBERS: Readonly<Record<string, readonly unknown[]>> = {
  redirect_uris: [
    ['https://tpp.example/cb'],
    ['https://tpp.example/cb', 'https://tpp.example/2'],
    ['http://tpp.example/cb'],
    ['https://tpp.example/cb#x'],
    ['javascript:alert(1)'],
    ['https://localhost/cb'],
    [],
  ],
  grant_types: [
    ['authorization_code'],
    ['authorization_code', 'refresh_token', 'client_credentials'],
    ['client_credentials'],
    ['implicit'],
    ['urn:openid:params:grant-type:ciba'],
  ],
  response_types: [['code'], ['code id_token'], ['code id_token', 'code'], ['token'], ['none'], []],
  response_modes: [['query'], ['jwt'], ['fragment.jwt'], ['form_post'], []],
  token_endpoint_auth_method: [
    'tls_client_auth',
    'private_key_jwt',
    'none',
    'client_secret_post',
    'self_signed_tls_client_auth',
  ],
  token_endpoint_auth_signing_alg: ['ES256', 'PS256', 'RS256', 'none'],
  tls_client_certificate_bound_access_tokens: [true, false, 'false', 0],
  dpop_bound_access_tokens: [true, false, null],
  sender_constraint: ['certificate', 'certificate-and-dpop', 'dpop', 'none'],
  require_pushed_authorization_requests: [true, false],
  require_signed_request_object: [true, false],
  request_object_signing_alg: ['ES256', 'PS256', 'none', 'RS256'],
  id_token_signed_response_alg: ['ES256', 'PS256', 'none', 'HS256', 'RS256'],
  authorization_signed_response_alg: ['ES256', 'none'],
  introspection_signed_response_alg: ['PS256', 'none'],
  id_token_encrypted_response_alg: ['RSA-OAEP-256', 'RSA1_5', 'dir'],
  jwks: [
    { keys },
    { keys: [keys[0]] },
    { keys: [privateKey] },
    { keys: [{ kty: 'oct', k: 'AA', kid: 'o' }] },
    { keys: [] },
  ],
  jwks_uri: ['https://tpp.example/jwks', 'http://169.254.169.254/'],
  sector_identifier_uri: ['https://tpp.example/sector'],
  subject_type: ['public', 'pairwise'],
  application_type: ['web', 'native'],
  client_name: ['Acme Ltd', 'Your Bank', '<b>'],
  scope: ['openid accounts', 'accounts', 'payments', 'openid offline_access accounts', 'admin', '', 7],
  profile: [...NAMES, 'cdr-au', ''],
  tls_client_auth_san_dns: ['acme.example', 'other.example', '*.example'],
  tls_client_auth_subject_dn: ['CN=acme.example', ''],
  client_secret: ['secret'],
  authorization_number: ['PSDGB-FCA-1'],
  nca: ['DE-BAFIN'],
  default_acr_values: [['x']],
  request_uris: [[], ['https://tpp.example/r']],
  userinfo_signed_response_alg: ['none'],
  backchannel_token_delivery_mode: ['poll', 'ping', 'push'],
  backchannel_client_notification_endpoint: ['https://tpp.example/ping', 'http://tpp.example/ping'],
  logo_uri: ['https://tpp.example/logo.svg'],
  'x-unknown': [1],
  __proto__: [1],
};
const names = Object.keys(MEMBERS);
const changes = fc.array(
  own(...names).chain((name) => {
    const values = MEMBERS[name] ?? [];
    return fc.tuple(
      fc.constant(name),
      fc.oneof(
        { weight: 9, arbitrary: own(...values) },
        { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
      ),
    );
  }),
  { maxLength: 6 },
);
const registrations = changes.map((list) => ({
  redirect_uris: ['https://tpp.example/cb'],
  grant_types: ['authorization_code', 'client_credentials'],
  scope: 'openid accounts',
  ...Object.fromEntries(list),
}));

let tpp: Tpp;
beforeAll(async () => {
  const authority = await createAuthority({ name: 'CA', organization: 'Sandbox', country: 'GB', ...PERIOD });
  const { certificatePem } = await authority.issue({
    profile: 'qwac',
    subject: { commonName: 'acme.example', organization: 'Acme Ltd' },
    authorizationNumber: '123456',
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    roles: ['PSP_AI'],
    dnsNames: ['acme.example'],
    ...PERIOD,
  });
  const parsed = parseCertificate(new X509Certificate(certificatePem).raw);
  tpp = {
    authorizationNumber: 'PSDGB-FCA-123456',
    nca: { id: 'GB-FCA', name: 'Financial Conduct Authority' },
    country: 'GB',
    legalName: 'Acme Ltd',
    roles: new Set(['PSP_AI']),
    certificate: { parsed } as Tpp['certificate'],
  };
});

function judged(metadata: Readonly<Record<string, unknown>>, unknownMembers: 'drop' | 'refuse' = 'drop') {
  try {
    const statement = { metadata, names: [tpp.legalName] as const };
    return judgedClient({ clientId: 'one', tpp, statement, unknownMembers }, rules);
  } catch (error) {
    // Every refusal has an error of RFC 7591, and nothing else is thrown.
    if (isRefusal(error, 'ERR_REGISTRATION_METADATA', 'ERR_REGISTRATION_REDIRECT_URI')) return undefined;
    throw error;
  }
}

/** The client as an entry of a file. */
function entryOf({ subject, ...client }: RegisteredClient): Record<string, unknown> {
  return { ...client, ...(subject === undefined ? {} : { [subject.property]: subject.value }) };
}

describe('after any accepted registration', () => {
  it('the client is as hard as one of a file (RFC 7591 metadata fuzzed)', () => {
    const seen = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(registrations, (metadata) => {
        const client = judged(metadata);
        seen[client === undefined ? 'refused' : 'accepted'] += 1;
        if (client === undefined) return;
        const filed = clientSchema.safeParse(entryOf(client));
        expect(filed.error?.issues ?? []).toEqual([]);
        if (filed.data !== undefined) expect(findRuleProblems(filed.data, rules)).toEqual([]);
        expect(client).toMatchObject({
          client_id: 'one',
          client_name: 'Acme Ltd',
          authorization_number: 'PSDGB-FCA-123456',
          nca: 'GB-FCA',
        });
        const inForce = clientMetadata(client, rules.profiles);
        const profile = findProfile(client, rules.profiles);
        expect(['tls_client_auth', 'private_key_jwt']).toContain(inForce.token_endpoint_auth_method);
        expect(
          inForce.tls_client_certificate_bound_access_tokens === true ||
            inForce.dpop_bound_access_tokens === true,
        ).toBe(true);
        expect(['certificate', 'certificate-and-dpop']).toContain(inForce.sender_constraint);
        if (profile?.pushedRequests === 'required')
          expect(inForce.require_pushed_authorization_requests).toBe(true);
        if (profile?.signedRequests === 'required') expect(inForce.require_signed_request_object).toBe(true);
        for (const uri of client.redirect_uris) expect(uri).toMatch(/^https:\/\/tpp\.example\/[^#]*$/);
        for (const scope of client.scope.split(' ').filter(Boolean))
          expect(['openid', 'offline_access', 'accounts']).toContain(scope);
        for (const key of client.jwks?.keys ?? []) expect(key).not.toHaveProperty('d');
        if (client.jwks_uri !== undefined) {
          expect(client.jwks_uri).toMatch(/^https:\/\/tpp\.example/);
          expect(client.jwks).toBeUndefined();
        }
        expect(client).not.toHaveProperty('sector_identifier_uri');
      }),
      { seed: 7, numRuns: 2500 },
    );
    expect(seen.accepted).toBeGreaterThan(150);
    expect(seen.refused).toBeGreaterThan(400);
  });

  it('the answer may be sent back, and changes nothing (RFC 7592 §2.2)', () => {
    let accepted = 0;
    fc.assert(
      fc.property(registrations, (metadata) => {
        const client = judged(metadata);
        if (client === undefined) return;
        accepted += 1;
        const at = '2026-11-29T00:00:00.000Z';
        const record = {
          client,
          status: 'active',
          origin: 'registration',
          createdAt: at,
          changedAt: at,
        } as const;
        const options = { profiles: rules.profiles, mtlsUrl: new URL('https://bank.example') };
        const json = JSON.parse(JSON.stringify(registrationAnswer(record, { ...options, accessToken: 'x' })));
        const { client_id, ...members } = changeable({ json });
        const again = judged(members, 'refuse');
        expect(again && clientMetadata(again, rules.profiles)).toEqual(
          clientMetadata(client, rules.profiles),
        );
      }),
      { seed: 8, numRuns: 1500 },
    );
    expect(accepted).toBeGreaterThan(80);
  });

  it('an unknown member is dropped or refused as the statement profile says; every known one has its rule', () => {
    const good = { redirect_uris: ['https://tpp.example/cb'], scope: 'openid accounts' };
    for (const name of ['x-unknown', 'Redirect_uris', 'client_id#de', 'hasOwnProperty', '__proto__']) {
      const metadata = JSON.parse(
        `{"redirect_uris":["https://tpp.example/cb"],"${name}":["http://evil.example"]}`,
      );
      expect(judged(metadata)?.redirect_uris).toEqual(['https://tpp.example/cb']);
      expect(judged(metadata, 'refuse')).toBeUndefined();
    }
    expect(judged({ ...good, 'logo_uri#de': 'https://tpp.example/x' }, 'refuse')).toBeDefined();
  });

  it('any JSON, and any text, has an answer of RFC 7591', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (body) => {
        try {
          judged(membersOf(body));
        } catch (error) {
          expect(isRefusal(error, 'ERR_REGISTRATION_METADATA')).toBe(true);
        }
      }),
      { seed: 9, numRuns: 1000 },
    );
  });
});
