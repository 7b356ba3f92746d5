import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createAuthorizer,
  createGateway,
  createProtection,
  type GatewayOptions,
  type GatewayRoute,
  paymentHashOf,
} from '../../../src/resource-server/index.ts';
import { FORWARDERS } from '../../mutual-tls/forwarders.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import { CONSENT, type ConsentSource, serveConsents } from '../consent/consent-source.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, ISSUER, NOW } from '../issuer.ts';

const NEEDED = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;
const ROUTES: readonly GatewayRoute[] = [
  { ...NEEDED, path: '/accounts' },
  { ...NEEDED, path: '/accounts/{account}/balances', covers: { permissions: ['read_balances'] } },
  { ...NEEDED, path: '/accounts/{account}/cards', covers: { permissions: ['ReadCards'] } },
  { ...NEEDED, path: '/accounts/{account}/**' },
  { ...NEEDED, path: '/mine', covers: {} },
  { ...NEEDED, path: '/strong', acr: ['urn:openbanking:psd2:sca'] },
];
const PAYMENT = {
  instructedAmount: { currency: 'EUR', amount: '12.50' },
  creditorName: 'Corner Grocery',
  creditorAccount: { iban: 'DE02100100109307118603' },
};

let consents: ConsentSource;
let good: Record<string, string>;
let protect: () => ReturnType<typeof createProtection>;
const servers: Server[] = [];

beforeAll(async () => {
  const issuer = await createTestIssuer();
  const certificates = await createTestCertificates();
  consents = await serveConsents(issuer, certificates);
  const token = await issuer.token(thumbprintOf(certificates.one.der));
  const forwarded = FORWARDERS.nginx(Buffer.from(certificates.one.der), []);
  good = { authorization: `Bearer ${token}`, ...forwarded };
  protect = () =>
    createProtection({
      authorizer: createAuthorizer({
        issuer: ISSUER,
        audience: AUDIENCE,
        jwks: issuer.jwks,
        clock: { now: () => NOW },
        caPem: certificates.authority.certificatePem,
        fetchDocument: async () => Buffer.from(await issuer.statusList([])),
        consents: { ...consents.options, maxAgeSeconds: 0 },
      }),
      clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
    });
});
afterAll(async () => {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  await consents.close();
});
beforeEach(() => {
  consents.state.answer = CONSENT;
});

async function listening(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const start = (options: Partial<GatewayOptions> = {}) =>
  listening(
    createServer(createGateway({ protection: protect(), proxy: 'nginx', routes: ROUTES, ...options })),
  );
const unpacked = (header: string | null) => JSON.parse(Buffer.from(header ?? '', 'base64url').toString());

describe('the gateway, for what a consent covers', () => {
  let url: string;
  beforeAll(async () => {
    url = await start();
  });
  const ask = (uri: string, headers: Record<string, string> = {}) =>
    fetch(`${url}/authorize`, {
      headers: { ...good, 'x-original-method': 'GET', 'x-original-uri': uri, ...headers },
    });

  it.each([
    ['/accounts/acc-1/balances', 200],
    ['/accounts/acc-2/balances?from=acc-9', 200],
    ['/accounts/acc-9/balances?account=acc-1', 403],
    ['/accounts/acc-9/balances', 403],
    ['/accounts/acc-1/transactions', 200],
    ['/accounts/acc-9/transactions', 403],
    ['/accounts/acc-9', 403],
    ['/accounts/acc-1/cards', 403],
    ['/accounts/acc%2D1/balances', 400],
    ['/accounts/acc-9/../acc-1/balances', 400],
    ['/accounts', 200],
    ['/mine', 200],
    ['/strong', 401],
  ])('%s is %i, in an API of any language (PSD2 article 67(2)(d))', async (uri, status) => {
    const answer = await ask(uri);
    expect(answer.status).toBe(status);
  });

  it('gives the consent to the API on routes that ask for it, and a client cannot', async () => {
    const answer = await ask('/accounts/acc-1/balances', { 'X-Tallystick-Consent': 'mine' });
    expect(unpacked(answer.headers.get('x-tallystick-consent'))).toEqual({ ...CONSENT, omitted: [] });
    const without = await ask('/accounts', { 'X-Tallystick-Consent': 'mine' });
    expect(without.headers.get('x-tallystick-consent')).toBe('');
  });

  it('keeps the header within 4,096 characters, and names what is left out of it', async () => {
    const details = [{ type: 'account_information', purpose: 'x'.repeat(3000) }];
    consents.state.answer = { ...CONSENT, details };
    const some = unpacked((await ask('/mine')).headers.get('x-tallystick-consent'));
    expect(some).toEqual({ ...CONSENT, details: undefined, omitted: ['details'] });
    const accountIds = Array.from({ length: 400 }, (_, at) => `acc-${at}`.padEnd(36, 'x'));
    consents.state.answer = { ...CONSENT, details, accountIds: ['acc-1', ...accountIds] };
    const header = (await ask('/accounts/acc-1/x')).headers.get('x-tallystick-consent') ?? '';
    expect(header.length).toBeLessThanOrEqual(4096);
    expect(unpacked(header)).toMatchObject({
      consentId: 'consent-1',
      omitted: expect.arrayContaining(['accountIds']),
    });
    expect(unpacked(header)).not.toHaveProperty('accountIds');
  });

  it('answers a challenge for a stronger authentication through nginx too (RFC 9470)', async () => {
    const packed = (await ask('/strong')).headers.get('x-tallystick-refusal') ?? '';
    const shown = await fetch(`${url}/refusal`, { headers: { 'x-tallystick-refusal': packed } });
    expect([shown.status, shown.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('acr_values="urn:openbanking:psd2:sca"'),
    ]);
  });
});

describe('a gateway that forwards', () => {
  it('sends on the approved payment only, byte for byte', async () => {
    const received: string[] = [];
    const api = await listening(
      createServer(async (request, response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk);
        received.push(`${request.headers['x-tallystick-consent'] === ''} ${Buffer.concat(chunks)}`);
        response.end('paid');
      }),
    );
    const routes: readonly GatewayRoute[] = [{ ...NEEDED, path: '/payments', covers: { payment: 'body' } }];
    const url = await start({ proxy: 'forward', routes, upstream: { origin: api } });
    consents.state.answer = { ...CONSENT, paymentHashes: [paymentHashOf(PAYMENT)] };
    const pay = (payment: object) =>
      fetch(`${url}/payments`, { method: 'POST', headers: good, body: JSON.stringify(payment, null, 1) });
    expect((await pay(PAYMENT)).status).toBe(200);
    expect((await pay({ ...PAYMENT, creditorName: 'Corner Grocer' })).status).toBe(403);
    expect(received).toEqual([`false ${JSON.stringify(PAYMENT, null, 1)}`]);
  });

  it.each([
    [
      'a payment that nginx does not send',
      { routes: [{ ...NEEDED, path: '/x', covers: { payment: 'body' } }] },
    ],
    [
      'two places for the account',
      { routes: [{ ...NEEDED, path: '/{account}', covers: { account: '/{account}' } }] },
    ],
    ['an account within a segment', { routes: [{ ...NEEDED, path: '/a{account}' }] }],
  ] as [string, Partial<GatewayOptions>][])('cannot be made with %s', (_name, options) => {
    expect(() =>
      createGateway({ protection: protect(), proxy: 'nginx', routes: ROUTES, ...options }),
    ).toThrow(TypeError);
  });
});
