import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { fastify } from 'fastify';
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

const JSON_TYPE = 'application/json';
const BODY = JSON.stringify({ accounts: [{ accountId: 'acc-1', currency: 'GBP', balance: '1234.56' }] });
const NEEDED = { scopes: ['accounts'], roles: [] };

// A process of its own: one JSON endpoint, in a plain API of a framework, with mutual TLS as such an API has it, and with
// or without the protection.
if (process.argv[2] !== undefined && process.send !== undefined) {
  const [, , file = '', name = '', isProtected] = process.argv;
  const material = JSON.parse(readFileSync(file, 'utf8')) as BenchMaterial;
  const server = await serverOf(name, isProtected === 'protected', material);
  server.listen(0, '127.0.0.1');
  server.once('listening', () => process.send?.((server.address() as AddressInfo).port));
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.once('disconnect', () => process.exit());
}

async function serverOf(name: string, isProtected: boolean, material: BenchMaterial): Promise<Server> {
  const tls = {
    cert: material.serverPem,
    key: material.serverKeyPem,
    ca: material.clientCaPem,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const protection = isProtected ? protectionOf(material) : undefined;
  if (name === 'fastify') {
    const app = fastify({ https: tls });
    if (protection !== undefined) app.addHook('onRequest', fastifyProtection(protection, NEEDED));
    app.get('/accounts', (_request, reply) => {
      reply.type(JSON_TYPE).send(BODY);
    });
    await app.ready();
    return app.server;
  }
  return createServer(tls, name === PEER ? await peer(material) : listenerOf(name as Framework, protection));
}

type Guard = ReturnType<typeof protectionOf>;

function listenerOf(
  name: Exclude<Framework, 'fastify'> | Framework,
  protection: Guard | undefined,
): RequestListener {
  if (name === 'koa') {
    const app = new Koa();
    if (protection !== undefined) app.use(koaProtection(protection, NEEDED));
    app.use((ctx) => {
      ctx.type = JSON_TYPE;
      ctx.body = BODY;
    });
    return app.callback();
  }
  if (name === 'express') {
    const app = plainExpress();
    if (protection !== undefined) app.use(expressProtection(protection, NEEDED));
    return withEndpoint(app);
  }
  const answer: RequestListener = (_request, response) => {
    response.setHeader('content-type', JSON_TYPE);
    response.end(BODY);
  };
  return protection === undefined ? answer : nodeProtection(protection, NEEDED, answer);
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
