import type { IncomingMessage } from 'node:http';
import Router from '@koa/router';
import type { RouterContext } from '@koa/router';
import express, { type Request } from 'express';
import fastify, { type FastifyRequest } from 'fastify';
import Koa from 'koa';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createAuthorizer,
  createProtection,
  expressProtection,
  fastifyProtection,
  koaProtection,
  logTo,
  nodeProtection,
  type Protection,
  paymentHashOf,
} from '../../../src/resource-server/index.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  serveOverTls,
  type TestServer,
} from '../issuer.ts';
import { CONSENT, type ConsentSource, serveConsents } from './consent-source.ts';

const GLUES = ['koa', 'express', 'fastify', 'node'] as const;
const NEEDED = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;
const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '12.50' },
  creditorName: 'Corner Grocery',
  creditorAccount: { iban: 'DE02100100109307118603' },
};

let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let consents: ConsentSource;
let servers: Readonly<Record<(typeof GLUES)[number], TestServer>>;
let token: string;
let ofNoCustomer: string;
const log: [string, unknown][] = [];

beforeAll(async () => {
  const issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  consents = await serveConsents(issuer, certificates);
  const bound = thumbprintOf(certificates.one.der);
  token = await issuer.token(bound);
  ofNoCustomer = await issuer.token(bound, { claims: { consent_id: undefined } });
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => consents.state.now },
    caPem: certificates.authority.certificatePem,
    fetchDocument: async () => Buffer.from(await issuer.statusList([], { exp: NOW.getTime() / 1000 + 600 })),
    consents: { ...consents.options, maxAgeSeconds: 0 },
  });
  const protection = createProtection({
    authorizer,
    clientCertificate: { from: 'socket' },
    log: logTo((name, _definition, { error, consentId, clientId }) => {
      const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : error;
      log.push([name, { code, consentId, clientId }]);
    }),
  });
  servers = await serveApis(protection);
});
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server.close()));
  await consents.close();
});
beforeEach(() => {
  consents.state.answer = CONSENT;
  // Past the pause after a failure.
  consents.state.now = new Date(consents.state.now.getTime() + 2000);
  log.length = 0;
});

/** `/accounts/<id>` by a function, `/pattern/<id>/…` by a pattern, `/balances`, `/cards`, `/any` and `/payments`. */
async function serveApis(protection: Protection) {
  const byPattern = { ...NEEDED, covers: { account: '/pattern/{account}/**' } };
  const permitted = {
    ...NEEDED,
    covers: { permissions: [['ReadBasic', 'ReadTransactionsBasic'], 'read_balances'] },
  };
  const cards = { ...NEEDED, covers: { permissions: ['ReadBalances', 'ReadCards'] } };
  const any = { ...NEEDED, covers: {} };
  const paying = { ...NEEDED, covers: { payment: 'body', maxBodyBytes: 1000 } } as const;
  const routes = { '/balances': permitted, '/cards': cards, '/any': any, '/payments': paying } as const;

  const router = new Router();
  const ofKoa = { account: (ctx: RouterContext) => ctx.params.id };
  router.get('/accounts/:id', koaProtection(protection, { ...NEEDED, covers: ofKoa }), (ctx) => {
    ctx.body = 'ok';
  });
  router.all('/pattern/*path', koaProtection(protection, byPattern), (ctx) => {
    ctx.body = 'ok';
  });
  for (const [path, needed] of Object.entries(routes)) {
    router.all(path, koaProtection(protection, needed), (ctx) => {
      ctx.body = 'ok';
    });
  }
  const onKoa = new Koa().use(router.routes());

  const onExpress = express();
  const ofExpress = { account: (request: Request) => String(request.params.id) };
  onExpress.get(
    '/accounts/:id',
    expressProtection(protection, { ...NEEDED, covers: ofExpress }),
    (_request, response) => response.end('ok'),
  );
  onExpress.all('/pattern/*path', expressProtection(protection, byPattern), (_request, response) =>
    response.end('ok'),
  );
  for (const [path, needed] of Object.entries(routes)) {
    onExpress.all(path, expressProtection(protection, needed), (_request, response) => response.end('ok'));
  }

  const onFastify = fastify();
  const ofFastify = {
    account: async (request: FastifyRequest) => (request.params as { readonly id: string }).id,
  };
  const answer = async () => 'ok';
  onFastify.get(
    '/accounts/:id',
    { onRequest: fastifyProtection(protection, { ...NEEDED, covers: ofFastify }) },
    answer,
  );
  onFastify.all('/pattern/*', { onRequest: fastifyProtection(protection, byPattern) }, answer);
  for (const [path, needed] of Object.entries(routes)) {
    onFastify.all(path, { onRequest: fastifyProtection(protection, needed) }, answer);
  }
  await onFastify.ready();

  const ofNode = { account: ({ url = '' }: IncomingMessage) => [url.split('/')[2] ?? ''] };
  const handlers = Object.fromEntries(
    Object.entries(routes).map(([path, needed]) => [
      path,
      nodeProtection(protection, needed, (_request, response) => void response.end('ok')),
    ]),
  );
  const byFunction = nodeProtection(
    protection,
    { ...NEEDED, covers: ofNode },
    (_request, response) => void response.end('ok'),
  );
  const pattern = nodeProtection(protection, byPattern, (_request, response) => void response.end('ok'));
  return {
    koa: await serveOverTls(onKoa.callback(), certificates),
    express: await serveOverTls(onExpress, certificates),
    fastify: await serveOverTls((request, response) => onFastify.routing(request, response), certificates),
    node: await serveOverTls((request, response) => {
      const url = request.url ?? '';
      const handler = url.startsWith('/accounts/')
        ? byFunction
        : url.startsWith('/pattern/')
          ? pattern
          : handlers[url];
      handler?.(request, response);
    }, certificates),
  };
}

describe.each(GLUES)('a route with covers on %s (PSD2 article 67)', (glue) => {
  const ask = (path: string, init: { readonly bearer?: string; readonly body?: string } = {}) =>
    servers[glue].send(path, {
      certificate: certificates.one,
      headers: { authorization: `Bearer ${init.bearer ?? token}`, 'content-type': 'application/json' },
      ...(init.body === undefined ? {} : { method: 'POST', body: new Uint8Array(Buffer.from(init.body)) }),
    });

  it.each([
    ['/accounts/acc-1', 200],
    ['/accounts/acc-9', 403],
    ['/accounts/acc-1%20', 403],
    ['/pattern/acc-2/balances', 200],
    ['/pattern/acc-2', 200],
    ['/pattern/acc-9/balances', 403],
    ['/pattern/acc-1/../acc-9/balances', 403],
    ['/pattern/%61cc-1/balances', 403],
    ['/balances', 200],
    ['/cards', 403],
    ['/any', 200],
  ])('serves what the consent covers and nothing else: %s is %i', async (path, status) => {
    const answer = await ask(path);
    expect(answer.status).toBe(status);
    expect(answer.text === 'ok').toBe(status === 200);
  });

  it('refuses an account that the customer did not choose with the rule, and one event (K20)', async () => {
    const answer = await ask('/accounts/acc-9');
    expect(answer.json).toEqual({
      error: 'insufficient_scope',
      error_description: expect.stringMatching(/^ERR_CONSENT_ACCOUNT: .*article 67\(2\)\(d\)/),
    });
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer error="insufficient_scope", /);
    expect(answer.headers.get('www-authenticate')).not.toContain('scope="');
    expect(log).toEqual([
      ['rs.consent.refused', { code: 'ERR_CONSENT_ACCOUNT', consentId: 'consent-1', clientId: 'acme' }],
    ]);
  });

  it.each([
    ['a consent that was revoked', { ...CONSENT, status: 'revoked' }, 403, 'ERR_CONSENT_INACTIVE'],
    ['a consent that is consumed', { ...CONSENT, status: 'consumed' }, 403, 'ERR_CONSENT_INACTIVE'],
    ['a consent that has expired', { ...CONSENT, expiresAt: NOW.toISOString() }, 403, 'ERR_CONSENT_INACTIVE'],
    ['a consent that the issuer does not know', 404, 403, 'ERR_CONSENT_INACTIVE'],
    ['an issuer with a fault', 500, 503, 'ERR_CONSENT_UNAVAILABLE'],
    ['an issuer that refuses this API', 400, 503, 'ERR_CONSENT_UNAVAILABLE'],
    ['an answer about another consent', { ...CONSENT, consentId: 'x' }, 503, 'ERR_CONSENT_UNAVAILABLE'],
    ['an answer about another client', { ...CONSENT, clientId: 'x' }, 503, 'ERR_CONSENT_UNAVAILABLE'],
    ['an answer about another customer', { ...CONSENT, subject: 'x' }, 503, 'ERR_CONSENT_UNAVAILABLE'],
    ['an answer without accounts', { ...CONSENT, accountIds: undefined }, 503, 'ERR_CONSENT_UNAVAILABLE'],
  ])('refuses %s', async (_name, answer, status, code) => {
    consents.state.answer = answer;
    const refused = await ask('/any');
    expect(refused.status).toBe(status);
    expect(refused.json.error_description).toContain(code);
    if (status === 503) expect(refused.headers.get('retry-after')).toBe('5');
  });

  it('refuses a token of the TPP alone', async () => {
    const answer = await ask('/any', { bearer: ofNoCustomer });
    expect([answer.status, answer.json.error_description]).toEqual([
      403,
      expect.stringContaining('ERR_CONSENT_ABSENT'),
    ]);
  });

  it('takes the approved payment only: one cent or one letter makes another (K3)', async () => {
    consents.state.answer = { ...CONSENT, paymentHashes: [paymentHashOf(PAYMENT)] };
    const pay = async (body: string) => (await ask('/payments', { body })).status;
    const { type, ...members } = PAYMENT;
    const entries = Object.entries({ ...members, actions: ['initiate'] }).reverse();
    expect(await pay(JSON.stringify(PAYMENT))).toBe(200);
    expect(await pay(JSON.stringify(Object.fromEntries(entries), null, 2))).toBe(200);
    const others = [
      { ...PAYMENT, instructedAmount: { currency: 'EUR', amount: '12.51' } },
      { ...PAYMENT, creditorName: 'corner Grocery' },
      { ...PAYMENT, endToEndIdentification: '1' },
      { ...PAYMENT, kind: 'standing-order' },
    ];
    for (const other of others) expect(await pay(JSON.stringify(other))).toBe(403);
    for (const junk of ['', 'null', '[]', '"x"', '{', '{"__proto__":1}']) expect(await pay(junk)).toBe(403);
    log.length = 0;
    expect(await pay(JSON.stringify({ ...PAYMENT, filler: 'x'.repeat(1000) }))).toBe(413);
    expect(log.map(([name]) => name)).toEqual(['rs.consent.refused']);
  });
});

describe('a requirement with covers', () => {
  const protect = (covers: unknown) => () =>
    nodeProtection({ knowsConsents: true } as Protection, { ...NEEDED, covers } as never, () => {});
  it.each([
    ['a path without an account', { account: '/accounts/*' }],
    ['an account within a segment', { account: '/accounts/x{account}' }],
    ['two accounts', { account: '/{account}/{account}' }],
    ['an account that is no path', { account: 7 }],
    ['permissions that are no list', { permissions: 'ReadBalances' }],
    ['no permission', { permissions: [] }],
    ['no alternative', { permissions: [[]] }],
    ['another payment', { payment: 'header' }],
    ['a size that is none', { payment: 'body', maxBodyBytes: -1 }],
    ['a member that is unknown', { accounts: '/accounts/{account}' }],
  ])('cannot be made with %s', (_name, covers) => {
    expect(protect(covers)).toThrow(TypeError);
  });

  it('needs an authorizer that can ask about consents', () => {
    const mount = () =>
      nodeProtection({ knowsConsents: false } as Protection, { ...NEEDED, covers: {} }, () => {});
    expect(mount).toThrow(TypeError);
  });
});
