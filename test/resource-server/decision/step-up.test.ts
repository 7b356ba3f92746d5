import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createAuthorizer,
  createProtection,
  nodeProtection,
  type Protection,
  type RouteRequirement,
} from '../../../src/resource-server/index.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  serveOverTls,
  type TestIssuer,
  type TestServer,
} from '../issuer.ts';

const SCA = 'urn:openbanking:psd2:sca';
const CA = 'urn:openbanking:psd2:ca';
const SECONDS = NOW.getTime() / 1000;
const ROUTES: Readonly<Record<string, RouteRequirement>> = {
  '/strong': { scopes: [], roles: [], acr: [SCA, 'urn:x'] },
  '/fresh': { scopes: [], roles: [], maxAgeSeconds: 300 },
  '/both': { scopes: [], roles: [], acr: [SCA], maxAgeSeconds: 300 },
};

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let api: TestServer;
let now = NOW;

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  const protection = createProtection({
    authorizer: createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => now },
      fetchDocument: async () => Buffer.from(await issuer.statusList([], { exp: SECONDS + 1000 })),
    }),
    clientCertificate: { from: 'socket' },
  });
  const handlers = Object.entries(ROUTES).map(
    ([path, needed]) =>
      [path, nodeProtection(protection, needed, (_request, response) => void response.end('ok'))] as const,
  );
  const of = new Map(handlers);
  api = await serveOverTls(
    (request, response) => of.get(request.url ?? '')?.(request, response),
    certificates,
  );
});
afterAll(() => api.close());

const send = async (path: string, claims: Record<string, unknown>) => {
  const token = await issuer.token(thumbprintOf(certificates.one.der), { claims });
  const headers = { authorization: `Bearer ${token}` };
  return api.send(path, { certificate: certificates.one, headers });
};

describe('a route that asks for an authentication (RFC 9470)', () => {
  it.each([
    ['/strong', { acr: SCA }, 200],
    ['/strong', { acr: 'urn:x' }, 200],
    ['/strong', { acr: CA }, 401],
    ['/strong', { acr: `${SCA} urn:x` }, 401],
    ['/strong', {}, 401],
    ['/fresh', { auth_time: SECONDS - 299 }, 200],
    ['/fresh', { auth_time: SECONDS - 300 }, 401],
    ['/fresh', {}, 401],
    ['/both', { acr: SCA, auth_time: SECONDS - 10 }, 200],
    ['/both', { acr: CA, auth_time: SECONDS - 10 }, 401],
    ['/both', { acr: SCA, auth_time: SECONDS - 301 }, 401],
  ])('%s with %j is %i', async (path, claims, status) => {
    expect((await send(path, claims)).status).toBe(status);
  });

  it('says in its challenge what would do (section 3)', async () => {
    const answers = await Promise.all(['/strong', '/fresh', '/both'].map((path) => send(path, {})));
    expect(answers.map(({ headers }) => headers.get('www-authenticate'))).toEqual([
      expect.stringMatching(
        /^Bearer error="insufficient_user_authentication", error_description="ERR_TOKEN_AUTHENTICATION: [^"]+", acr_values="urn:openbanking:psd2:sca urn:x"$/,
      ),
      expect.stringMatching(/, max_age="300"$/),
      expect.stringMatching(/, acr_values="urn:openbanking:psd2:sca", max_age="300"$/),
    ]);
    expect(answers[0]?.json.error).toBe('insufficient_user_authentication');
  });

  it('refuses a token whose authentication becomes too old, to the millisecond', async () => {
    now = NOW;
    const token = await issuer.token(thumbprintOf(certificates.one.der), { claims: { auth_time: SECONDS } });
    const headers = { authorization: `Bearer ${token}` };
    const ask = async () => (await api.send('/fresh', { certificate: certificates.one, headers })).status;
    expect([await ask(), await ask()]).toEqual([200, 200]);
    now = new Date(NOW.getTime() + 299_999);
    expect(await ask()).toBe(200);
    now = new Date(NOW.getTime() + 300_000);
    expect(await ask()).toBe(401);
    now = NOW;
  });

  it.each([{ acr: 7 }, { auth_time: 'now' }, { auth_time: 1.5 }])(
    'refuses a token with %j',
    async (claims) => {
      const answer = await send('/strong', claims);
      expect([answer.status, answer.json.error]).toEqual([401, 'invalid_token']);
    },
  );

  it.each([
    { acr: [] },
    { acr: SCA },
    { acr: ['a b'] },
    { acr: ['"'] },
    { maxAgeSeconds: 0 },
    { maxAgeSeconds: '9' },
  ])('cannot be mounted with %j', (wrong) => {
    const needed = { scopes: [], roles: [], ...wrong } as never;
    expect(() => nodeProtection({} as Protection, needed, () => {})).toThrow(TypeError);
  });
});
