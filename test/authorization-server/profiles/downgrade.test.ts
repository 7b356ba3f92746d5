import { createHash, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { decodeJwt, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CIBA_GRANT } from '../../../src/authorization-server/clients/registered-client.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const TPP = 'money-one';
const CHALLENGE = createHash('sha256').update('v'.repeat(43)).digest('base64url');

/** What the standards allow a client, written down once more and apart from the profiles of the program. */
interface Rules {
  /** The registration, without the names that all have. */
  readonly registration: Readonly<Record<string, unknown>>;
  /** Response modes by response type. */
  readonly modes: Readonly<Record<string, readonly string[]>>;
  readonly ways: readonly Way[];
  readonly signatures: readonly ('none' | 'signed')[];
  readonly needsNonce: boolean;
  /** Of the requests that this client signs; ES256 unless the market has another. */
  readonly algorithm?: 'PS256';
  readonly needsIntent?: true;
}

type Way = 'pushed' | 'front channel';
type Parameters = Readonly<Record<string, string>>;
const PLAIN = ['query', 'fragment'];
const JARM = ['jwt', 'query.jwt', 'fragment.jwt'];
const FAPI1 = { profile: 'fapi1-advanced', response_types: ['code id_token', 'code'] };
const FAPI1_MODES = { 'code id_token': ['fragment'], code: JARM };

const CLIENTS: Readonly<Record<string, Rules>> = {
  security: {
    registration: {},
    modes: { code: PLAIN },
    ways: ['pushed'],
    signatures: ['none'],
    needsNonce: false,
  },
  signing: {
    registration: { profile: 'fapi2-message-signing' },
    modes: { code: JARM },
    ways: ['pushed'],
    signatures: ['signed'],
    needsNonce: false,
  },
  'signing-switched-off': {
    registration: {
      profile: 'fapi2-message-signing',
      require_signed_request_object: false,
      response_modes: ['query'],
    },
    modes: { code: ['query'] },
    ways: ['pushed'],
    signatures: ['none', 'signed'],
    needsNonce: false,
  },
  fapi1: {
    registration: FAPI1,
    modes: FAPI1_MODES,
    ways: ['pushed', 'front channel'],
    signatures: ['signed'],
    needsNonce: true,
  },
  'fapi1-code': {
    registration: { profile: 'fapi1-advanced' },
    modes: { code: JARM },
    ways: ['pushed', 'front channel'],
    signatures: ['signed'],
    needsNonce: true,
  },
  'fapi1-pushes': {
    registration: { ...FAPI1, require_pushed_authorization_requests: true },
    modes: FAPI1_MODES,
    ways: ['pushed'],
    signatures: ['signed'],
    needsNonce: true,
  },
  uk: {
    registration: { ...FAPI1, profile: 'uk-open-banking' },
    modes: FAPI1_MODES,
    ways: ['pushed', 'front channel'],
    signatures: ['signed'],
    needsNonce: true,
    needsIntent: true,
  },
  brasil: {
    registration: {
      ...FAPI1,
      profile: 'open-finance-brasil',
      id_token_signed_response_alg: 'PS256',
      consent_references: ['scope'],
    },
    modes: FAPI1_MODES,
    ways: ['pushed', 'front channel'],
    signatures: ['signed'],
    needsNonce: true,
    algorithm: 'PS256',
  },
  'cdr-au': {
    registration: { profile: 'cdr-au', token_endpoint_auth_method: 'private_key_jwt' },
    modes: { code: JARM },
    ways: ['pushed'],
    signatures: ['signed'],
    needsNonce: true,
  },
  // Has neither response types nor redirect URIs.
  ciba: {
    registration: {
      profile: 'fapi1-advanced',
      redirect_uris: [],
      grant_types: [CIBA_GRANT, 'refresh_token'],
      backchannel_token_delivery_mode: 'poll',
    },
    modes: {},
    ways: [],
    signatures: [],
    needsNonce: true,
  },
};
const MARKETS = ['uk-open-banking', 'open-finance-brasil', 'cdr-au'];
const ACR_VALUES = ['urn:openbanking:psd2:sca', 'urn:brasil:openbanking:loa2', 'urn:cds.au:cdr:2'];
const INTENT = { id_token: { openbanking_intent_id: { value: 'an-intent', essential: true } } };

const one = <T>(...values: readonly T[]) => fc.constantFrom(...values);
const shapes = fc.record({
  client: one(...Object.keys(CLIENTS)),
  way: one<Way>('pushed', 'front channel'),
  signature: one('none', 'signed', 'signed', 'of another key', 'alg none'),
  outside: one({}, {}, {}, { scope: 'openid accounts' }, { response_mode: 'query' }),
  type: one('code', 'code id_token', 'id_token code', 'id_token', 'code token', 'none'),
  mode: one(undefined, ...PLAIN, ...JARM, 'form_post', 'form_post.jwt', 'web_message'),
  challenge: one('S256', 'S256', 'S256', 'plain', 'none'),
  hasNonce: fc.boolean(),
  hasIntent: fc.boolean(),
  redirectUri: one(
    DEMO_REDIRECT_URI,
    DEMO_REDIRECT_URI,
    DEMO_REDIRECT_URI,
    undefined,
    'https://evil.example/',
  ),
});
type Shape = typeof shapes extends fc.Arbitrary<infer S> ? S : never;

function isAllowed(shape: Shape): boolean {
  const rules = CLIENTS[shape.client];
  if (rules === undefined) throw new Error('no such client');
  const type = shape.type.split(' ').toSorted().join(' ');
  const mode = shape.mode ?? (type.includes('id_token') ? 'fragment' : 'query');
  const isPushed = shape.way === 'pushed';
  const isSigned = shape.signature === 'signed';
  const isFapi1 = !['security', 'signing', 'signing-switched-off'].includes(shape.client);
  return [
    rules.ways.includes(shape.way),
    (rules.signatures as readonly string[]).includes(shape.signature),
    // Beside a pushed request object there is nothing (RFC 9126 §3); at the authorization endpoint it does not count.
    !isPushed || !isSigned || Object.keys(shape.outside).length === 0,
    rules.modes[type]?.includes(mode) === true,
    shape.challenge === 'S256' || (shape.challenge === 'none' && isFapi1 && !isPushed),
    shape.hasNonce || !rules.needsNonce,
    shape.hasIntent === (rules.needsIntent === true),
    shape.redirectUri === DEMO_REDIRECT_URI,
  ].every(Boolean);
}

function parametersOf({ type, mode, challenge, hasNonce, hasIntent, redirectUri }: Shape): Parameters {
  return {
    response_type: type,
    scope: 'openid accounts',
    state: 'the-state',
    ...(redirectUri === undefined ? {} : { redirect_uri: redirectUri }),
    ...(mode === undefined ? {} : { response_mode: mode }),
    ...(hasNonce ? { nonce: 'the-nonce' } : {}),
    ...(hasIntent ? { claims: JSON.stringify(INTENT) } : {}),
    ...(challenge === 'none' ? {} : { code_challenge: CHALLENGE, code_challenge_method: challenge }),
  };
}

let sandbox: TestSandbox;
type Algorithm = 'ES256' | 'PS256';
const own = new Map<Algorithm, CryptoKey>();
const foreign = new Map<Algorithm, CryptoKey>();

async function makeKeys(algorithm: Algorithm): Promise<{ readonly keys: readonly JWK[] }> {
  const pair = await generateKeyPair(algorithm, { extractable: true });
  own.set(algorithm, pair.privateKey);
  foreign.set(algorithm, (await generateKeyPair(algorithm)).privateKey);
  return { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k' }] };
}

beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (configuration) => {
      const { profiles } = configuration as { readonly profiles: { readonly allowed: readonly string[] } };
      const allowed = [...profiles.allowed, ...MARKETS];
      return { ...configuration, profiles: { allowed }, acrValues: ACR_VALUES, defaultAcr: ACR_VALUES[0] };
    },
  });
  const jwksOf = { ES256: await makeKeys('ES256'), PS256: await makeKeys('PS256') };
  for (const [client_id, { registration, algorithm = 'ES256' }] of Object.entries(CLIENTS)) {
    await sandbox.server.clients.register({
      client_id,
      client_name: client_id,
      authorization_number: tppNamed(sandbox.description, TPP).organizationIdentifier,
      token_endpoint_auth_method: 'tls_client_auth',
      redirect_uris: [DEMO_REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      scope: 'openid accounts',
      jwks: jwksOf[algorithm],
      ...registration,
    });
  }
  await sandbox.server.consents.create({
    consentId: 'an-intent',
    reference: 'openbanking_intent_id',
    clientId: 'uk',
    authorizationNumber: tppNamed(sandbox.description, TPP).organizationIdentifier,
    details: [{ type: 'account_information', actions: ['list_accounts'] }],
    expiresAt: new Date(Date.now() + 3_600_000),
    by: { kind: 'tpp' },
  });
});
afterAll(() => sandbox.stop());

async function requestObject(client: string, parameters: Parameters, signature: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const claims = { ...parameters, client_id: client, iss: client, aud: sandbox.description.issuer };
  const dated = { ...claims, nbf: now, exp: now + 300 };
  if (signature === 'alg none') {
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${encoded({ alg: 'none' })}.${encoded(dated)}.`;
  }
  const header = { alg: algorithmOf(client), kid: 'k', typ: 'oauth-authz-req+jwt' };
  return new SignJWT(dated)
    .setProtectedHeader(header)
    .sign(keyOf(client, signature === 'signed' ? own : foreign));
}

const algorithmOf = (client: string): Algorithm => CLIENTS[client]?.algorithm ?? 'ES256';

function keyOf(client: string, keys: ReadonlyMap<Algorithm, CryptoKey>): CryptoKey {
  const key = keys.get(algorithmOf(client));
  if (key === undefined) throw new Error('no key was made');
  return key;
}

/** The client authentication of a pushed request beyond the certificate. */
async function authentication(client: string): Promise<Parameters> {
  if (CLIENTS[client]?.registration.token_endpoint_auth_method !== 'private_key_jwt') return {};
  return {
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: algorithmOf(client), kid: 'k' })
      .setIssuer(client)
      .setSubject(client)
      .setAudience(sandbox.description.issuer)
      .setExpirationTime('1m')
      .sign(keyOf(client, own)),
  };
}

/** Sends the request, and returns the way on to the pages of the bank, or the refusal. */
async function outcomeOf(shape: Shape): Promise<{ readonly error: string } | 'allowed'> {
  const plain = parametersOf(shape);
  const isSigned = shape.signature !== 'none';
  const parameters: Parameters = {
    ...(isSigned
      ? { ...shape.outside, request: await requestObject(shape.client, plain, shape.signature) }
      : plain),
    client_id: shape.client,
  };
  const { issuer } = sandbox.description;
  if (shape.way === 'pushed') {
    const { status, json } = await sandbox.post(TPP, '/par', {
      ...parameters,
      ...(await authentication(shape.client)),
    });
    if (status !== 201) return { error: String(json.error) };
    const query = new URLSearchParams({ client_id: shape.client, request_uri: String(json.request_uri) });
    return outcomeOfFront(`${issuer}/authorize?${query}`);
  }
  return outcomeOfFront(`${issuer}/authorize?${new URLSearchParams(parameters)}`);
}

async function outcomeOfFront(url: string): Promise<{ readonly error: string } | 'allowed'> {
  const { status, headers } = await sandbox.send(url, { headers: { accept: 'text/html' } });
  const location = headers.get('location');
  if (location?.includes('/interaction/')) return 'allowed';
  if (location === null) return { error: status < 500 ? 'page' : String(status) };
  const back = new URL(location);
  expect(back.href.startsWith(DEMO_REDIRECT_URI)).toBe(true);
  const answer = new URLSearchParams(back.search || back.hash.slice(1));
  const response = answer.get('response');
  const { error, code } =
    response === null ? Object.fromEntries(answer) : (decodeJwt(response) as Record<string, string>);
  expect(code).toBe(undefined);
  return { error: String(error) };
}

const REFUSALS = [
  'page',
  'invalid_request',
  'invalid_request_object',
  'request_not_supported',
  'unsupported_response_type',
  'unsupported_response_mode',
  'unauthorized_client',
];

describe('a request is judged by the profile of its client', () => {
  it('each that the profile does not allow is refused, and every other is not', async () => {
    const seen = { allowed: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(shapes, async (shape) => {
        const outcome = await outcomeOf(shape);
        if (isAllowed(shape)) {
          seen.allowed += 1;
          expect([shape, outcome]).toEqual([shape, 'allowed']);
        } else {
          seen.refused += 1;
          expect([shape, outcome]).toEqual([shape, { error: expect.any(String) }]);
          expect([shape, REFUSALS]).toEqual([
            shape,
            expect.arrayContaining([outcome === 'allowed' ? '' : outcome.error]),
          ]);
        }
      }),
      { seed: 13, numRuns: 500 },
    );
    expect(seen.refused).toBeGreaterThan(250);
  });

  const fitting: Readonly<Record<string, Partial<Shape>>> = {
    security: { way: 'pushed', signature: 'none', type: 'code' },
    signing: { way: 'pushed', signature: 'signed', type: 'code', mode: 'jwt' },
    'signing-switched-off': { way: 'pushed', signature: 'signed', type: 'code', mode: 'query' },
    fapi1: { way: 'front channel', signature: 'signed', type: 'code id_token' },
    'fapi1-code': { way: 'pushed', signature: 'signed', type: 'code', mode: 'jwt' },
    'fapi1-pushes': { way: 'pushed', signature: 'signed', type: 'id_token code' },
    uk: { way: 'pushed', signature: 'signed', type: 'code id_token', hasIntent: true },
    brasil: { way: 'front channel', signature: 'signed', type: 'code id_token' },
    'cdr-au': { way: 'pushed', signature: 'signed', type: 'code', mode: 'jwt' },
  };
  const base = {
    outside: {},
    mode: undefined,
    challenge: 'S256',
    hasNonce: true,
    hasIntent: false,
    redirectUri: DEMO_REDIRECT_URI,
  };
  it.each(Object.keys(fitting))('one change is enough, of a request that %s may send', async (client) => {
    const good = { ...base, ...fitting[client], client } as Shape;
    expect(isAllowed(good)).toBe(true);
    expect(await outcomeOf(good)).toBe('allowed');
    const changes: readonly Partial<Shape>[] = [
      { way: 'pushed' },
      { way: 'front channel' },
      ...(['none', 'signed', 'of another key', 'alg none'] as const).map((signature) => ({ signature })),
      { outside: { scope: 'openid accounts' } },
      ...['code', 'code id_token', 'id_token', 'code token', 'none'].map((type) => ({ type })),
      ...[undefined, ...PLAIN, ...JARM, 'form_post', 'form_post.jwt'].map((mode) => ({ mode })),
      { challenge: 'plain' },
      { challenge: 'none' },
      { hasNonce: false },
      { hasIntent: true },
      { hasIntent: false },
      { redirectUri: undefined },
      { redirectUri: 'https://evil.example/' },
    ] as readonly Partial<Shape>[];
    for (const change of changes) {
      const shape = { ...good, ...change };
      const expected = isAllowed(shape) ? 'allowed' : { error: expect.any(String) };
      expect([change, await outcomeOf(shape)]).toEqual([change, expected]);
    }
  });
});
