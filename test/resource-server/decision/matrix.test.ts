import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROXY_FORMAT_NAMES, type ProxyFormatName } from '../../../src/mutual-tls/proxy-formats.ts';
import {
  type Authorizer,
  authorizationOf,
  createAuthorizer,
  createGateway,
  createProtection,
  expressProtection,
  fastifyProtection,
  koaProtection,
  nodeProtection,
  type Protection,
} from '../../../src/resource-server/index.ts';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { FORWARDERS } from '../../mutual-tls/forwarders.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, ISSUER, NOW, serveOverTls } from '../issuer.ts';

const CERTIFICATES = ['right', 'other', 'none', 'renewed', 'same key', 'expired', 'revoked'] as const;
const FORMATS = ['JWT', 'opaque'] as const;
const GLUES = ['koa', 'express', 'fastify', 'node', 'gateway'] as const;
const SOURCES: readonly ('socket' | ProxyFormatName)[] = ['socket', ...PROXY_FORMAT_NAMES];
type Presented = (typeof CERTIFICATES)[number];
type Format = (typeof FORMATS)[number];

/** The one cell that passes, and why each other does not. */
const EXPECTED: Readonly<Record<Presented, string>> = {
  right: 'lets it through',
  other: 'ERR_TOKEN_BINDING',
  none: 'ERR_CERT_MISSING',
  renewed: 'ERR_TOKEN_BINDING',
  'same key': 'ERR_TOKEN_BINDING',
  expired: 'ERR_CERT_EXPIRED',
  revoked: 'ERR_TOKEN_REVOKED',
};
/** The issuer says of an opaque token only that it is not active. */
const expected = (presented: Presented, format: Format) =>
  presented === 'revoked' && format === 'opaque' ? 'ERR_TOKEN_INVALID' : EXPECTED[presented];

const NEEDED = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;
const REVOKED_INDEX = 3;
let shown: Readonly<Record<Presented, IssuedCertificate | undefined>>;
let tokens: Readonly<Record<Presented, Readonly<Record<Format, string>>>>;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let authorizer: Authorizer;
const closing: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  const { authority, one, two, renewed, reissued } = certificates;
  const long = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
  const expired = await authority.issue({
    profile: 'qwac',
    subject: { commonName: 'one' },
    notBefore: long.notBefore,
    notAfter: new Date(NOW.getTime() - 1000),
  });
  const revoked = await authority.issue({ profile: 'qwac', subject: { commonName: 'one' }, ...long });
  shown = { right: one, other: two, none: undefined, renewed, 'same key': reissued, expired, revoked };

  const active = new Map<string, Record<string, unknown>>();
  const tokensFor = async (presented: Presented) => {
    // A stolen token is of `one`; a certificate that ended has a token of its own.
    const bound = presented === 'expired' || presented === 'revoked' ? shown[presented] : one;
    const thumbprint = thumbprintOf(bound?.der ?? one.der);
    const idx = presented === 'revoked' ? REVOKED_INDEX : 7;
    const opaque = `opaque-${presented.replace(' ', '-')}`;
    const seconds = NOW.getTime() / 1000;
    const facts = { iss: ISSUER, aud: AUDIENCE, sub: 'psu-1', client_id: 'acme', scope: 'accounts' };
    const binding = { cnf: { 'x5t#S256': thumbprint }, tpp_roles: ['PSP_AI'] };
    if (presented !== 'revoked')
      active.set(opaque, { active: true, ...facts, ...binding, iat: seconds, exp: seconds + 600 });
    const status = { status_list: { idx, uri: `${ISSUER}/status-lists/0` } };
    return { JWT: await issuer.token(thumbprint, { claims: { status } }), opaque };
  };
  const made = await Promise.all(CERTIFICATES.map(async (name) => [name, await tokensFor(name)] as const));
  tokens = Object.fromEntries(made) as typeof tokens;

  const introspection = await serveOverTls((request, response) => {
    void textOf(request).then((body) => {
      const claims = active.get(new URLSearchParams(body).get('token') ?? '') ?? { active: false };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(claims));
    });
  }, certificates);
  closing.push(introspection.close);
  authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    caPem: authority.certificatePem,
    clock: { now: () => NOW },
    fetchDocument: async () => Buffer.from(await issuer.statusList([REVOKED_INDEX])),
    introspection: {
      endpoint: `${introspection.url}/introspect`,
      clientId: 'bank-api',
      certificatePem: two.certificatePem,
      privateKeyPem: two.privateKeyPem,
      response: 'plain',
    },
  });
});
afterAll(async () => {
  await authorizer?.close();
  await Promise.all(closing.map((close) => close()));
});

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

/** An API whose answer is the thumbprint that was proved. */
const HANDLERS: Readonly<
  Record<(typeof GLUES)[number], (protection: Protection) => Promise<RequestListener>>
> = {
  koa: async (protection) => {
    const app = new Koa();
    app.use(koaProtection(protection, NEEDED));
    app.use((ctx) => {
      ctx.body = authorizationOf(ctx).thumbprint;
    });
    return app.callback();
  },
  express: async (protection) => {
    const app = express();
    app.get('/accounts', expressProtection(protection, NEEDED), (request, response) => {
      response.end(authorizationOf(request).thumbprint);
    });
    return app;
  },
  fastify: async (protection) => {
    const app = fastify();
    app.get(
      '/accounts',
      { onRequest: fastifyProtection(protection, NEEDED) },
      async (request) => authorizationOf(request).thumbprint,
    );
    await app.ready();
    return (request, response) => app.routing(request, response);
  },
  node: async (protection) =>
    nodeProtection(protection, NEEDED, (_request, response, proof) => {
      response.end(proof.thumbprint);
    }),
  gateway: async (protection) => {
    const gateway = createGateway({
      protection,
      proxy: 'envoy',
      routes: [{ path: '/accounts', methods: ['GET'], ...NEEDED }],
    });
    return (request: IncomingMessage, response: ServerResponse) => gateway(request, response);
  },
};

type Call = (
  presented: Presented,
  format: Format,
) => Promise<{ readonly status: number; readonly text: string }>;

async function open(glue: (typeof GLUES)[number], source: (typeof SOURCES)[number]): Promise<Call> {
  const clientCertificate =
    source === 'socket'
      ? ({ from: 'socket' } as const)
      : ({ from: 'proxy', format: source, trustedProxies: ['127.0.0.1'] } as const);
  const handler = await HANDLERS[glue](createProtection({ authorizer, clientCertificate }));
  if (source === 'socket') {
    const server = await serveOverTls(handler, certificates);
    closing.push(server.close);
    return async (presented, format) => {
      const certificate = shown[presented];
      const headers = { authorization: `Bearer ${tokens[presented][format]}` };
      const answer = await server.send('/accounts', {
        headers,
        ...(certificate === undefined ? {} : { certificate }),
      });
      return { status: answer.status, text: proofIn(answer.headers) ?? answer.text };
    };
  }
  const server = createServer(handler);
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/accounts`;
  return async (presented, format) => {
    const der = shown[presented]?.der;
    const forwarded = der === undefined ? {} : FORWARDERS[source](Buffer.from(der), []);
    const answer = await fetch(url, {
      headers: { authorization: `Bearer ${tokens[presented][format]}`, connection: 'close', ...forwarded },
    });
    return { status: answer.status, text: proofIn(answer.headers) ?? (await answer.text()) };
  };
}

/** What the gateway says to the proxy. */
function proofIn(headers: { get(name: string): string | null }): string | undefined {
  return headers.get('x-tallystick-certificate') ?? undefined;
}

describe.each(SOURCES)('a token with a certificate from %s', (source) => {
  // Behind a gateway there is always a proxy.
  const glues = GLUES.filter((glue) => source !== 'socket' || glue !== 'gateway');

  it.each(glues)(
    'passes %s only when the token is live and bound to it (A1, A2, A3, A4, A13, L2)',
    async (glue) => {
      const call = await open(glue, source);
      const cells = CERTIFICATES.flatMap((presented) => FORMATS.map((format) => ({ presented, format })));
      const seen = await Promise.all(
        cells.map(async ({ presented, format }) => {
          const { status, text } = await call(presented, format);
          const passed = status === 200 && text === thumbprintOf(certificates.one.der);
          return [presented, format, status, passed ? 'lets it through' : /ERR_[A-Z_]+/.exec(text)?.[0]];
        }),
      );
      expect(seen).toEqual(
        cells.map(({ presented, format }) => [
          presented,
          format,
          presented === 'right' ? 200 : 401,
          expected(presented, format),
        ]),
      );
    },
  );
});
