// An API of a bank on three frameworks, as installed beside it. Prints the port of each; ends with its input.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import {
  authorizationOf,
  createAuthorizer,
  createProtection,
  expressProtection,
  fastifyProtection,
  koaProtection,
} from '@tallystick/resource-server';
import express from 'express';
import fastify from 'fastify';
import Koa from 'koa';

const { issuer, audience, caFile, certificateFile, privateKeyFile } = JSON.parse(process.argv[2]);
const tls = {
  cert: readFileSync(certificateFile),
  key: readFileSync(privateKeyFile),
  requestCert: true,
  rejectUnauthorized: false,
};
const authorizer = createAuthorizer({ issuer, audience, caPem: readFileSync(caFile, 'utf8') });
const protection = createProtection({ authorizer, clientCertificate: { from: 'socket' } });
const needed = { scopes: ['accounts'], roles: ['PSP_AI'] };

const byExpress = express();
byExpress.use('/accounts', expressProtection(protection, needed), (request, response) => {
  response.json({ client: authorizationOf(request).clientId });
});

const byFastify = fastify({ https: tls });
byFastify.addHook('onRequest', fastifyProtection(protection, needed));
byFastify.get('/accounts', async (request) => ({ client: authorizationOf(request).clientId }));

const byKoa = new Koa();
byKoa.use(koaProtection(protection, needed));
byKoa.use((ctx) => {
  ctx.body = { client: authorizationOf(ctx).clientId };
});

await byFastify.ready();
const servers = {
  express: createServer(tls, byExpress),
  fastify: byFastify.server,
  koa: createServer(tls, byKoa.callback()),
};
const ports = {};
for (const [name, server] of Object.entries(servers)) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  ports[name] = server.address().port;
}
console.log(JSON.stringify(ports));
process.stdin.resume().once('end', () => process.exit());
