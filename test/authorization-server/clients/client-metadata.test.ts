import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientMetadata } from '../../../src/authorization-server/clients/client-metadata.ts';
import { SENDER_CONSTRAINTS } from '../../../src/authorization-server/profiles/sender-constraint.ts';
import { createProvider, type ProviderOptions } from '../../../src/authorization-server/provider.ts';
import { type Provider, provideClients } from '../../../src/authorization-server/provider-internals.ts';
import { PROFILES } from '../../../src/authorization-server/profiles/profiles.ts';
import { createSigningKeys } from '../../../src/authorization-server/signing/kept-keys.ts';
import {
  clientSchema,
  findRuleProblems,
  readClientEntry,
  registeredClient,
} from '../../../src/authorization-server/clients/client-schema.ts';
import { systemClock } from '../../../src/clock.ts';
import { DetailTypes } from '../../../src/consent/details/detail-types.ts';
import { silentLog } from '../../../src/events.ts';

const keys = [
  generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('ed25519'),
].map(({ publicKey }) => publicKey.export({ format: 'jwk' }));

/** As the configuration has them. */
const RULES = { apiScopes: ['accounts'], profiles: PROFILES };
const own = <T>(...values: readonly T[]) => fc.constantFrom(...values);
/** One time of five. */
const seldom = <T>(...values: readonly T[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: own(...values) });
const good = fc.record({
  client_id: own('one', 'a b~'),
  client_name: own('A client'),
  authorization_number: own('PSDGB-FCA-1', 'NTRGB-1'),
  nca: own('GB-FCA'),
  token_endpoint_auth_method: own('tls_client_auth', 'private_key_jwt'),
  jwks: fc.subarray(keys, { minLength: 1 }).map((some) => ({
    keys: some.map((key, at) => ({ ...key, kid: `k${at}` })),
  })),
  redirect_uris: fc.subarray(['https://tpp.test/cb', 'https://localhost/cb?x=1', 'https://xn--4ca.test/'], {
    minLength: 1,
  }),
  grant_types: fc.subarray(['client_credentials', 'authorization_code', 'refresh_token'], { minLength: 1 }),
  scope: own('', 'openid accounts', 'accounts', ' openid  openid ', 'offline_access'),
  id_token_signed_response_alg: own('ES256', 'PS256', undefined),
  sender_constraint: own(...SENDER_CONSTRAINTS, undefined),
  profile: seldom('fapi2-message-signing', 'fapi1-advanced', 'uk-open-banking'),
  consent_references: seldom(['berlin-group'], ['scope', 'authorization_details'], ['any']),
  authorization_details_types: seldom(['account_information'], ['payment_initiation'], ['x']),
  response_types: seldom(['code'], ['code id_token'], ['code', 'code id_token']),
  response_modes: seldom(['query'], ['jwt'], ['fragment', 'fragment.jwt']),
  require_pushed_authorization_requests: seldom(true, false),
  require_signed_request_object: seldom(true, false),
  request_object_signing_alg: seldom('ES256', 'PS256', 'EdDSA'),
  authorization_signed_response_alg: seldom('ES256', 'PS256'),
  introspection_signed_response_alg: seldom('ES256', 'PS256'),
});
/** What may take the place of a member, of the client or of its first key. */
const odd = own<unknown>(
  '',
  'x',
  'sig',
  'enc',
  'ES256',
  7,
  null,
  ['x'],
  [7],
  [],
  'CN=one',
  'one.test',
  ['app://cb'],
  ['https:x'],
  ['https://a b/'],
  ['https://a/#'],
);
const changes = fc.array(
  fc.tuple(
    own(
      'client_id',
      'client_name',
      'redirect_uris',
      'scope',
      'tls_client_auth_subject_dn',
      'tls_client_auth_san_dns',
      'key alg',
      'key use',
      'key x5c',
      'key kid',
      'key d',
      'key more',
    ),
    odd,
  ),
  { maxLength: 3 },
);
const entries = fc.tuple(good, changes).map(([entry, list]) => {
  const [key, ...others] = entry.jwks.keys;
  const split = (isOfKey: boolean) =>
    Object.fromEntries(
      list
        .filter(([name]) => name.startsWith('key ') === isOfKey)
        .map(([name, value]) => [name.replace('key ', ''), value]),
    );
  return { ...entry, jwks: { keys: [{ ...key, ...split(true) }, ...others] }, ...split(false) };
});

describe('a client', () => {
  let provider: Provider;
  beforeAll(async () => {
    const { keys: signing } = await createSigningKeys();
    const published = signing.map(({ kty, crv, x, y, n, e, kid, alg, use }) =>
      JSON.parse(JSON.stringify({ kty, crv, x, y, n, e, kid, alg, use })),
    );
    const options: Partial<ProviderOptions> = {
      issuer: 'https://bank.test',
      mtlsUrl: new URL('https://mtls.bank.test'),
      clients: {
        findNamed: () => undefined,
        findStored: async () => undefined,
        findRecord: async () => undefined,
      },
      secret: Buffer.alloc(32, 1),
      apiScopes: ['accounts'],
      detailTypes: new DetailTypes([], ['accounts']),
      profiles: PROFILES,
      customerClaims: [],
      registration: { statements: [] } as never,
      acr: { acrValues: [] } as never,
      requiresDpopNonce: true,
      clock: systemClock,
      log: silentLog,
      signer: {
        keys: published,
        sign: () => Promise.reject(),
        follow: () => undefined,
        close: async () => {},
      },
    };
    provider = createProvider(options as ProviderOptions, { adapter: class {} } as never);
  });

  it('that the schema accepts is one for the provider, which sees it when it is used first', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(entries, async (entry) => {
        const parsed = clientSchema.safeParse(entry);
        const { data, error } = readClientEntry(entry);
        expect({ data, issues: error?.issues }).toEqual({ data: parsed.data, issues: parsed.error?.issues });
        if (!parsed.success || findRuleProblems(parsed.data, RULES).length > 0) return;
        accepted += 1;
        provideClients(
          provider,
          { findNamed: () => registeredClient(parsed.data), findStored: async () => undefined },
          (client) => clientMetadata(client, PROFILES),
          () => undefined,
        );
        const client = await provider.Client.find(parsed.data.client_id);
        expect(client?.clientId).toBe(parsed.data.client_id);
        const { sender_constraint: wanted = 'certificate' } = entry;
        expect(client?.metadata()).toMatchObject({
          sender_constraint: wanted,
          tls_client_certificate_bound_access_tokens: wanted === 'certificate',
          dpop_bound_access_tokens: wanted !== 'certificate',
        });
      }),
      { seed: 1, numRuns: 4000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });
});
