import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../../src/log.ts';
import {
  createAuthorizer,
  createGateway,
  createProtection,
  type GatewayOptions,
  type GatewayRoute,
  type ProtectionOptions,
} from '../../../src/resource-server/index.ts';
import { FORWARDERS } from '../../mutual-tls/forwarders.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  type TestIssuer,
} from '../issuer.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let good: Record<string, string>;
const servers: Server[] = [];

const ROUTES: readonly GatewayRoute[] = [
  { path: '/accounts/**', methods: ['GET'], scopes: ['accounts'], roles: ['PSP_AI'] },
  { path: '/payments/*', scopes: ['payments'], roles: ['PSP_PI'] },
  { path: '/funds', scopes: ['accounts'], roles: ['PSP_IC'] },
  { path: '/cards', scopes: ['cards'], roles: [] },
];

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  const token = await issuer.token(thumbprintOf(certificates.one.der), {
    claims: { client_id: 'acmé\r\nx: y', tpp_roles: ['PSP_AI', 'PSP_PI'] },
  });
  good = { authorization: `Bearer ${token}`, ...forwarded() };
});
afterAll(() => Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve)))));

const forwarded = () => FORWARDERS.nginx(Buffer.from(certificates.one.der), []);
const parts = (): ProtectionOptions => ({
  authorizer: createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    fetchDocument: async () => Buffer.from(await issuer.statusList([])),
  }),
  clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
});
const protectionOf = () => createProtection(parts());

async function start(options: Partial<GatewayOptions> = {}): Promise<string> {
  const gateway = createGateway({ protection: protectionOf(), proxy: 'nginx', routes: ROUTES, ...options });
  const server = createServer(gateway);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the gateway for nginx', () => {
  let url: string;
  beforeAll(async () => {
    url = await start();
  });
  const ask = (method: string, uri: string, headers: Record<string, string> = good) =>
    fetch(`${url}/authorize`, {
      headers: { ...headers, 'x-original-method': method, 'x-original-uri': uri },
    });

  it('answers with the proof in headers that hold nothing but printable ASCII, and sets every one', async () => {
    const answer = await ask('GET', '/accounts/1?from=2026-01-01', {
      ...good,
      'X-Tallystick-Client-Id': 'admin',
    });
    expect(answer.status).toBe(200);
    const seen = Object.fromEntries([...answer.headers].filter(([name]) => name.startsWith('x-tallystick-')));
    expect(seen).toEqual({
      'x-tallystick-authorization-number': '',
      'x-tallystick-certificate': thumbprintOf(certificates.one.der),
      'x-tallystick-client-id': 'acm%C3%A9%0D%0Ax%3A%20y',
      'x-tallystick-consent': '',
      'x-tallystick-consent-id': 'consent-1',
      'x-tallystick-expires-at': new Date(NOW.getTime() + 600_000).toISOString(),
      'x-tallystick-roles': 'PSP_AI PSP_PI',
      'x-tallystick-scopes': 'accounts payments',
      'x-tallystick-subject': 'psu-1',
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.text()).toBe('');
  });

  it.each([
    ['GET', '/accounts', 200],
    ['GET', '/accounts/1/balances', 200],
    ['POST', '/accounts/1', 405],
    ['HEAD', '/accounts/1', 200],
    ['DELETE', '/payments/1', 200],
    ['GET', '/payments', 404],
    ['GET', '/payments/1/x', 404],
    ['GET', '/cards', 403],
    ['GET', '/funds', 403],
    ['GET', '/Accounts', 404],
    ['GET', '/accountsx', 404],
    ['GET', '/', 404],
    ['GET', '/accounts/%C3%A9%20', 200],
  ])('asks what the first route that fits says: %s %s', async (method, uri, status) => {
    expect((await ask(method, uri)).status).toBe(status);
  });

  it.each([
    '/accounts/../payments/1',
    '/accounts/%2e%2e/payments/1',
    '/accounts/.',
    '/accounts/..',
    '//accounts',
    '/accounts//1',
    '/accounts/%2Fcards',
    '/accounts/%5c..%5ccards',
    '/accounts/..;/cards',
    '/accounts;x=1',
    '/%61ccounts',
    '/accounts/%00',
    '/accounts/%',
    '/accounts/%3Fx',
    'https://other.example/accounts',
    '*',
    '',
  ])('refuses a path that others may read otherwise: %s', async (uri) => {
    expect((await ask('GET', uri)).status).toBe(400);
  });

  it('refuses a request without the original one, and names like those of its own headers', async () => {
    const { status } = await fetch(`${url}/authorize`, { headers: good });
    expect(status).toBe(400);
    for (const method of ['', 'get', 'GET,GET']) expect((await ask(method, '/cards')).status).toBe(400);
    expect((await ask('GET', '/accounts', { ...good, x_original_uri: '/cards' })).status).toBe(400);
    expect((await ask('GET', '/accounts', { ...good, 'X-Tallystick_Client-Id': 'x' })).status).toBe(400);
    expect((await fetch(`${url}/other`, { headers: good })).status).toBe(404);
  });

  it('tells each refusal again, as it was, and never a success', async () => {
    const cases = [
      [await ask('GET', '/cards'), 403],
      [await ask('GET', '/accounts?access_token=x'), 400],
      [await ask('GET', '/accounts', { authorization: good.authorization ?? '' }), 401],
      [await ask('GET', '/accounts', forwarded()), 401],
      [await ask('POST', '/accounts'), 405],
    ] as const;
    expect(cases[4][0].headers.get('allow')).toBe('GET');
    for (const [refused, status] of cases) {
      const told = await fetch(`${url}/refusal`, {
        headers: { 'x-tallystick-refusal': refused.headers.get('x-tallystick-refusal') ?? '' },
      });
      expect([refused.status, told.status]).toEqual([status, status]);
      for (const name of [
        'www-authenticate',
        'x-fapi-interaction-id',
        'cache-control',
        'content-type',
        'allow',
      ])
        expect(told.headers.get(name)).toBe(refused.headers.get(name));
      expect(await told.json()).toEqual(await refused.json());
    }
    const packed = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const body = { error: 'x', error_description: 'y' };
    const forged = [
      '',
      'junk',
      packed([200, [], body]),
      packed([401, 1, body]),
      packed([401, [], 'html']),
      packed({ status: 401 }),
      packed(['401', [], body]),
    ];
    for (const value of forged) {
      const told = await fetch(`${url}/refusal`, { headers: { 'x-tallystick-refusal': value } });
      expect(told.status).toBe(503);
    }
    const cookie = await fetch(`${url}/refusal`, {
      headers: {
        'x-tallystick-refusal': packed([
          401,
          [
            ['set-cookie', 'a=b'],
            ['retry-after', 'x\ny'],
          ],
          body,
        ]),
      },
    });
    expect([cookie.status, cookie.headers.get('set-cookie'), cookie.headers.get('retry-after')]).toEqual([
      401,
      null,
      null,
    ]);
  });
});

describe('the gateway for Envoy', () => {
  it('reads the original request from its own, after the prefix', async () => {
    const url = await start({ proxy: 'envoy', pathPrefix: '/check' });
    const ask = (path: string, method = 'GET') => fetch(`${url}${path}`, { headers: good, method });
    expect((await ask('/check/accounts/1')).status).toBe(200);
    expect((await ask('/check/accounts/1', 'POST')).status).toBe(405);
    expect((await ask('/check/cards')).status).toBe(403);
    expect((await ask('/accounts/1')).status).toBe(404);
    expect((await ask('/refusal')).status).toBe(404);
  });

  it('logs the method and the address of the client, also of a request that it has no rule for', async () => {
    const lines: string[] = [];
    const log = createLog({ level: 'info', destination: { write: (line: string) => lines.push(line) } });
    const protection = createProtection({ ...parts(), log });
    const [nginx, envoy] = await Promise.all([
      start({ protection }),
      start({ protection, proxy: 'envoy', pathPrefix: '/check' }),
    ]);
    const original = { 'x-original-method': 'POST', 'x-original-uri': '/by-nginx' };
    await fetch(`${nginx}/authorize`, { headers: { ...good, ...original } });
    await fetch(`${envoy}/check/by-envoy`, { headers: good, method: 'POST' });
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { method: 'POST', route: '/by-nginx', status: 404 },
      { method: 'POST', route: '/by-envoy', status: 404 },
    ]);
  });
});

describe('a gateway', () => {
  it.each([
    ['no protection', { protection: undefined }],
    ['an unknown proxy', { proxy: 'squid' }],
    ['no routes', { routes: [] }],
    ['a route without scopes', { routes: [{ path: '/x', roles: [] }] }],
    ['a route without roles', { routes: [{ path: '/x', scopes: [] }] }],
    ['a route that is not a path', { routes: [{ path: 'x', scopes: [], roles: [] }] }],
    ['a star within a segment', { routes: [{ path: '/x*', scopes: [], roles: [] }] }],
    ['two stars in the middle', { routes: [{ path: '/**/x', scopes: [], roles: [] }] }],
  ])('is not made from %s (A8)', (_title, change) => {
    expect(() =>
      createGateway({ protection: protectionOf(), proxy: 'nginx', routes: ROUTES, ...change } as never),
    ).toThrow(TypeError);
  });
});
