import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express from 'express';
import fc from 'fast-check';
import fastify from 'fastify';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  authorizationOf,
  type Authorizer,
  type ClientCertificateOptions,
  createAuthorizer,
  createProtection,
  expressProtection,
  fastifyProtection,
  koaProtection,
  nodeProtection,
  OpenBankingError,
  type RequestWithCertificate,
} from '../../../src/resource-server/index.ts';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { rawExchange, rawRequest } from '../../mutual-tls/raw-exchange.ts';
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

const GLUES = ['koa', 'express', 'fastify', 'node'] as const;
type Glue = (typeof GLUES)[number];

const NEEDED = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let servers: Readonly<Record<Glue, TestServer>>;

const thumbprintOf = ({ der }: IssuedCertificate) => createHash('sha256').update(der).digest('base64url');
const bearerField = (token: string) => ['Authorization', `Bearer ${token}`];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

const authorizerOf = () =>
  createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    fetchDocument: async () => Buffer.from(await issuer.statusList([3])),
  });
const mounted = () => createProtection({ authorizer: authorizerOf(), clientCertificate: { from: 'socket' } });

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  const protection = mounted();
  const app = new Koa();
  app.use(koaProtection(protection, NEEDED));
  app.use((ctx) => {
    ctx.body = authorizationOf(ctx).claims;
  });
  const node = nodeProtection(protection, NEEDED, (_request, response, authorization) => {
    response.end(JSON.stringify(authorization.claims));
  });
  const onExpress = express();
  onExpress.use(expressProtection(protection, NEEDED));
  onExpress.use((request, response) => {
    response.json(authorizationOf(request).claims);
  });
  const onFastify = fastify();
  onFastify.addHook('onRequest', fastifyProtection(protection, NEEDED));
  onFastify.all('/*', async (request) => authorizationOf(request).claims);
  await onFastify.ready();
  servers = {
    express: await serveOverTls(onExpress, certificates),
    fastify: await serveOverTls((request, response) => onFastify.routing(request, response), certificates),
    koa: await serveOverTls(app.callback(), certificates),
    node: await serveOverTls(node, certificates),
  };
});
afterAll(async () => {
  await Promise.all(Object.values(servers).map((server) => server.close()));
});

describe.each(GLUES)('an API behind the %s glue', (glue) => {
  it('lets each token through with its own certificate only (A1, RFC 8705 §3)', async () => {
    const owners = [certificates.one, certificates.two];
    for (const owner of owners) {
      const token = await issuer.token(thumbprintOf(owner));
      for (const presenter of owners) {
        const answer = await servers[glue].send('/accounts', {
          certificate: presenter,
          headers: bearer(token),
        });
        expect(answer.status).toBe(owner === presenter ? 200 : 401);
        if (owner !== presenter)
          expect(answer.headers.get('www-authenticate')).toContain('ERR_TOKEN_BINDING');
      }
    }
  });

  it('refuses without a certificate, with a renewed one, and with another one on the same key (A2, A3, A4)', async () => {
    const token = await issuer.token(thumbprintOf(certificates.one));
    const cases = [
      [undefined, 'ERR_CERT_MISSING'],
      [certificates.renewed, 'ERR_TOKEN_BINDING'],
      [certificates.reissued, 'ERR_TOKEN_BINDING'],
    ] as const;
    for (const [certificate, code] of cases) {
      const answer = await servers[glue].send('/accounts', {
        headers: bearer(token),
        ...(certificate === undefined ? {} : { certificate }),
      });
      expect([answer.status, answer.json.error]).toEqual([401, 'invalid_token']);
      expect(answer.json.error_description).toContain(code);
    }
  });

  it('echoes the interaction id, or makes one, and forbids caches (FAPI 1.0 Baseline §6.2.1)', async () => {
    const certificate = certificates.one;
    const headers = bearer(await issuer.token(thumbprintOf(certificate)));
    const id = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';
    const echoed = await servers[glue].send('/x', {
      certificate,
      headers: { ...headers, 'x-fapi-interaction-id': id },
    });
    expect(echoed.headers.get('x-fapi-interaction-id')).toBe(id);
    for (const answer of [
      await servers[glue].send('/x', {
        certificate,
        headers: { ...headers, 'x-fapi-interaction-id': 'not-a-uuid"' },
      }),
      await servers[glue].send('/x', { certificate }),
    ]) {
      expect(answer.headers.get('x-fapi-interaction-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('date')).not.toBeNull();
    }
  });

  it('makes a new interaction id for a request that brings two, for an answer and for a refusal', async () => {
    const id = 'c770aef3-6784-41f7-8e0e-ff5f97bddb3a';
    const certificate = certificates.one;
    const token = await issuer.token(thumbprintOf(certificate));
    const { host, port } = new URL(servers[glue].url);
    const caPem = certificates.authority.certificatePem;
    const exchange = { port: Number(port), caPem, certificate };
    const twice = [`x-fapi-interaction-id: ${id}`, `X-FAPI-Interaction-ID: ${id}`];
    const cases = [
      [200, `Authorization: Bearer ${token}`],
      [401, 'Accept: */*'],
    ] as const;
    for (const [status, field] of cases) {
      const answer = await rawExchange(rawRequest('/x', [`Host: ${host}`, field, ...twice]), exchange);
      expect(answer.status).toBe(status);
      expect(answer.headers['x-fapi-interaction-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.headers['x-fapi-interaction-id']).not.toBe(id);
    }
  });

  it('challenges as RFC 6750 §3 says: bare without a token, with the scope when it is missing', async () => {
    const certificate = certificates.one;
    const none = await servers[glue].send('/x', { certificate });
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer, DPoP algs="ES256 PS256 EdDSA Ed25519"',
    ]);
    const noRole = await issuer.token(thumbprintOf(certificate), { claims: { tpp_roles: ['PSP_PI'] } });
    const role = await servers[glue].send('/x', { certificate, headers: bearer(noRole) });
    expect([role.status, role.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope", error_description="ERR_TPP_ROLE_MISSING'),
    ]);
    const token = await issuer.token(thumbprintOf(certificate), { claims: { scope: 'payments' } });
    const scope = await servers[glue].send('/x', { certificate, headers: bearer(token) });
    expect([scope.status, scope.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringMatching(
        /^Bearer error="insufficient_scope", error_description="ERR_TOKEN_SCOPE: [^"]+", scope="accounts"$/,
      ),
    ]);
  });

  it('takes the token from the Authorization field only, and only one (L4, FAPI 2.0 §5.3.4)', async () => {
    const certificate = certificates.one;
    const token = await issuer.token(thumbprintOf(certificate));
    const query = await servers[glue].send(`/x?access_token=${token}`, { certificate });
    const both = await servers[glue].send(`/x?access_token=${token}`, {
      certificate,
      headers: bearer(token),
    });
    expect([query.status, both.status]).toEqual([400, 400]);
    expect(
      (await servers[glue].send('/x', { certificate, headers: { authorization: `bearer ${token}` } })).status,
    ).toBe(200);
  });

  it('answers any junk in the Authorization field with 400 or 401', async () => {
    const certificate = certificates.one;
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme-ascii', maxLength: 60 }), async (junk) => {
        const authorization = `Bearer ${junk}`.replace(/[^\x20-\x7e]/g, '');
        const answer = await servers[glue].send('/x', { certificate, headers: { authorization } });
        expect([400, 401]).toContain(answer.status);
      }),
      { numRuns: 40, seed: 1 },
    );
  });
});

describe('a protection (A8)', () => {
  const authorizer: Authorizer = {
    authorize: () => Promise.reject(new Error('unused')),
    authorizeNow: () => undefined,
    consentOf: () => Promise.reject(new Error('unused')),
    knowsConsents: false,
    accepted: {
      issuer: ISSUER,
      audience: AUDIENCE,
      senderConstraints: ['certificate'],
      isDpopVerified: false,
    },
    close: async () => {},
  };
  const clientCertificate = { from: 'socket' } as const;
  const protection = createProtection({ authorizer, clientCertificate });

  it('is not made without a source of certificates or without an authorizer', () => {
    // @ts-expect-error no source
    expect(() => createProtection({ authorizer })).toThrow(TypeError);
    // @ts-expect-error no trusted proxies
    const open: ClientCertificateOptions = { from: 'proxy', format: 'nginx' };
    expect(() => createProtection({ authorizer, clientCertificate: open })).toThrow(TypeError);
    // @ts-expect-error no authorizer
    expect(() => createProtection({ clientCertificate })).toThrow(TypeError);
  });

  it('is not mounted without a list of scopes and one of roles', () => {
    for (const mount of [koaProtection, expressProtection, fastifyProtection]) {
      // @ts-expect-error no scopes
      expect(() => mount(protection, { roles: [] })).toThrow(TypeError);
      // @ts-expect-error no roles
      expect(() => mount(protection, { scopes: [] })).toThrow(TypeError);
      // @ts-expect-error no requirement
      expect(() => mount(protection)).toThrow(TypeError);
    }
    // @ts-expect-error no scopes
    expect(() => nodeProtection(protection, { roles: [] }, () => {})).toThrow(TypeError);
  });

  it('cannot verify a token without saying which certificate came with it', async () => {
    // @ts-expect-error the certificate must be given, even when there is none
    const facts: RequestWithCertificate = { method: 'GET', url: '/', rawHeaders: bearerField('a.b.c') };
    await expect(authorizerOf().authorize(facts, { scopes: [] })).rejects.toMatchObject({
      code: 'ERR_CERT_MISSING',
    });
  });

  it('gives no authorization on a route that it does not stand before', () => {
    expect(() => authorizationOf({ req: {} as never })).toThrow(TypeError);
  });

  it('sees what the client asked for, also where a framework rewrites it (L4, RFC 9449 §4.3)', async () => {
    const asked: string[] = [];
    const noting: Authorizer = {
      ...authorizer,
      authorize: ({ url }) => {
        asked.push(url);
        return Promise.reject(new OpenBankingError('ERR_TOKEN_MISSING', {}));
      },
    };
    const notes = createProtection({ authorizer: noting, clientCertificate });
    const onExpress = express();
    onExpress.use('/api', expressProtection(notes, NEEDED));
    const onKoa = new Koa();
    onKoa.use((ctx, next) => {
      ctx.url = '/x';
      return next();
    });
    onKoa.use(koaProtection(notes, NEEDED));
    const onFastify = fastify({ rewriteUrl: () => '/x' });
    onFastify.get('/x', { onRequest: fastifyProtection(notes, NEEDED) }, async () => '');
    await onFastify.ready();
    const handlers = [
      onExpress,
      onKoa.callback(),
      (request: IncomingMessage, response: ServerResponse) => onFastify.routing(request, response),
      nodeProtection(notes, NEEDED, () => {}),
    ];
    for (const handler of handlers) {
      const server = await serveOverTls(handler, certificates);
      expect((await server.send('/api/x?access_token=a')).status).toBe(401);
      await server.close();
    }
    expect(asked).toEqual(handlers.map(() => '/api/x?access_token=a'));
  });
});
