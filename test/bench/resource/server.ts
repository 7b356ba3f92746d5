import { readFileSync } from 'node:fs';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { fastify, type onRequestHookHandler } from 'fastify';
import Koa from 'koa';
import {
  createAuthorizer,
  createProtection,
  expressProtection,
  fastifyProtection,
  koaProtection,
  nodeProtection,
} from '../../../src/resource-server/index.ts';

/** What the parent has made: certificates, the issuer's documents. */
export interface BenchMaterial {
  readonly issuer: string;
  readonly audience: string;
  readonly serverPem: string;
  readonly serverKeyPem: string;
  /** Of the CA of clients. */
  readonly clientCaPem: string;
  readonly jwks: { readonly keys: Record<string, unknown>[] };
  readonly statusList: string;
}

/** The frameworks with a glue. */
export const FRAMEWORKS = ['node', 'koa', 'express', 'fastify'] as const;
/** A well-known middleware that verifies tokens without their status and without their sender. */
export const PEER = 'express-oauth2-jwt-bearer';
type Framework = (typeof FRAMEWORKS)[number];
/**
 * An API without a middleware; with one that does nothing, which shows what a step of the framework costs; with one that
 * sets the two headers that every answer must have; with the protection. node:https has no steps.
 */
export const GUARDS = ['plain', 'empty', 'headers', 'protected'] as const;
export type Guard = (typeof GUARDS)[number];

const JSON_TYPE = 'application/json';
const BODY = JSON.stringify({ accounts: [{ accountId: 'acc-1', currency: 'GBP', balance: '1234.56' }] });
const NEEDED = { scopes: ['accounts'], roles: [] };

// A process of its own: one JSON endpoint, in a plain API of a framework, with mutual TLS as such an API has it, and with
// one of the guards.
if (process.argv[2] !== undefined && process.send !== undefined) {
  const [, , file = '', name = '', guard] = process.argv;
  const material = JSON.parse(readFileSync(file, 'utf8')) as BenchMaterial;
  const server = await serverOf(name, guard as Guard, material);
  server.listen(0, '127.0.0.1');
  server.once('listening', () => process.send?.((server.address() as AddressInfo).port));
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.once('disconnect', () => process.exit());
}

async function serverOf(name: string, guard: Guard, material: BenchMaterial): Promise<Server> {
  const tls = {
    cert: material.serverPem,
    key: material.serverKeyPem,
    ca: material.clientCaPem,
    requestCert: true,
    rejectUnauthorized: true,
  };
  if (name === 'fastify') {
    const app = fastify({ https: tls });
    const hook = {
      plain: undefined,
      empty: (_request, _reply, done) => done(),
      headers: (request, reply, done) => {
        reply.header(INTERACTION_ID, request.headers[INTERACTION_ID]);
        reply.header('cache-control', 'no-store');
        done();
      },
      protected: fastifyProtection(protectionOf(material), NEEDED),
    } satisfies Record<Guard, onRequestHookHandler | undefined>;
    if (hook[guard] !== undefined) app.addHook('onRequest', hook[guard]);
    app.get('/accounts', (_request, reply) => {
      reply.type(JSON_TYPE).send(BODY);
    });
    await app.ready();
    return app.server;
  }
  return createServer(
    tls,
    name === PEER ? await peer(material) : listenerOf(name as Framework, guard, material),
  );
}

const INTERACTION_ID = 'x-fapi-interaction-id';

function setTwoHeaders({ headers }: IncomingMessage, response: ServerResponse): void {
  response.setHeader(INTERACTION_ID, headers[INTERACTION_ID] ?? '');
  response.setHeader('cache-control', 'no-store');
}

function listenerOf(name: Framework, guard: Guard, material: BenchMaterial): RequestListener {
  const protection = protectionOf(material);
  if (name === 'koa') {
    const step = {
      plain: undefined,
      empty: (_ctx, next) => next(),
      headers: (ctx, next) => {
        setTwoHeaders(ctx.req, ctx.res);
        return next();
      },
      protected: koaProtection(protection, NEEDED),
    } satisfies Record<Guard, Koa.Middleware | undefined>;
    const app = new Koa();
    if (step[guard] !== undefined) app.use(step[guard]);
    app.use((ctx) => {
      ctx.type = JSON_TYPE;
      ctx.body = BODY;
    });
    return app.callback();
  }
  if (name === 'express') {
    const step = {
      plain: undefined,
      empty: (_request, _response, next) => next(),
      headers: (request, response, next) => {
        setTwoHeaders(request, response);
        next();
      },
      protected: expressProtection(protection, NEEDED),
    } satisfies Record<Guard, express.RequestHandler | undefined>;
    const app = plainExpress();
    if (step[guard] !== undefined) app.use(step[guard]);
    return withEndpoint(app);
  }
  const answer: RequestListener = (_request, response) => {
    response.setHeader('content-type', JSON_TYPE);
    response.end(BODY);
  };
  if (guard === 'protected') return nodeProtection(protection, NEEDED, answer);
  if (guard !== 'headers') return answer;
  return (request, response) => {
    setTwoHeaders(request, response);
    answer(request, response);
  };
}

function plainExpress(): express.Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  return app;
}

function withEndpoint(app: express.Express): express.Express {
  return app.get('/accounts', (_request, response) => {
    response.setHeader('content-type', JSON_TYPE);
    response.end(BODY);
  });
}

function protectionOf({ issuer, audience, jwks, statusList }: BenchMaterial) {
  const authorizer = createAuthorizer({
    issuer,
    audience,
    fetchDocument: async (url) => Buffer.from(url.endsWith('/jwks') ? JSON.stringify(jwks) : statusList),
  });
  return createProtection({ authorizer, clientCertificate: { from: 'socket' } });
}

async function peer({ issuer, audience, jwks }: BenchMaterial): Promise<express.Express> {
  const documents = createHttpServer((_request, response) => {
    response.setHeader('content-type', JSON_TYPE);
    response.end(JSON.stringify(jwks));
  });
  await new Promise<void>((resolve) => documents.listen(0, '127.0.0.1', resolve));
  const jwksUri = `http://127.0.0.1:${(documents.address() as AddressInfo).port}/jwks`;
  const app = plainExpress();
  app.use(auth({ issuer, audience, jwksUri, tokenSigningAlg: 'ES256' }));
  return withEndpoint(app);
}
