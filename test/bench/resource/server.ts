import { createServer as createHttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync } from 'node:fs';
import express from 'express';
import { auth } from 'express-oauth2-jwt-bearer';
import { silentLog } from '../../../src/events.ts';
import { createConnectionLimits } from '../../../src/mutual-tls/limits/connection-limits.ts';
import { createListener } from '../../../src/mutual-tls/listeners.ts';
import { createAuthorizer, createProtection, nodeProtection } from '../../../src/resource-server/index.ts';

/** What the parent has made: certificates, the issuer's documents. */
export interface BenchMaterial {
  readonly issuer: string;
  readonly audience: string;
  readonly serverPem: string;
  readonly serverKeyPem: string;
  readonly jwks: { readonly keys: Record<string, unknown>[] };
  readonly statusList: string;
}

// The server of the benchmark: one JSON endpoint, unprotected and behind each protection, each on its own port.
const material = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as BenchMaterial;
const { issuer, audience, jwks } = material;
const BODY = JSON.stringify({ accounts: [{ accountId: 'acc-1', currency: 'GBP', balance: '1234.56' }] });
const INTERACTION = '6e0c3b0e-0d1c-4c0a-8a53-0d7a9d1f0b11';

const authorizer = createAuthorizer({
  issuer,
  audience,
  fetchDocument: async (url) =>
    Buffer.from(url.endsWith('/jwks') ? JSON.stringify(jwks) : material.statusList),
});
const protection = createProtection({ authorizer, clientCertificate: { from: 'socket' } });

const documents = createHttpServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(jwks));
});
await new Promise<void>((resolve) => documents.listen(0, '127.0.0.1', resolve));
const peer = express();
peer.disable('x-powered-by');
peer.disable('etag');
peer.use(
  auth({
    issuer,
    audience,
    jwksUri: `http://127.0.0.1:${(documents.address() as AddressInfo).port}/jwks`,
    tokenSigningAlg: 'ES256',
  }),
);
peer.get('/accounts', (_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(BODY);
});
const bare = express();
bare.disable('x-powered-by');
bare.disable('etag');
bare.get('/accounts', (_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(BODY);
});

const handlers = {
  // The same headers as behind the protection: FAPI wants them of any endpoint.
  unprotected: (_request: unknown, response: import('node:http').ServerResponse) => {
    response.setHeader('x-fapi-interaction-id', INTERACTION);
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-type', 'application/json');
    response.end(BODY);
  },
  protected: nodeProtection(protection, { scopes: ['accounts'], roles: [] }, (_request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(BODY);
  }),
  'express alone': bare,
  'express-oauth2-jwt-bearer': peer,
};

const ports: Record<string, number> = {};
for (const [name, handler] of Object.entries(handlers)) {
  const listener = createListener({
    name,
    certificatePem: material.serverPem,
    privateKeyPem: material.serverKeyPem,
    requestClientCertificate: true,
    log: silentLog,
    connections: createConnectionLimits({ requestsPerConnection: 1e9, exemptAddresses: ['127.0.0.1'] }),
  });
  ports[name] = await listener.listen(0, '127.0.0.1');
  listener.serve(new URL(`https://localhost:${ports[name]}`), handler);
}
process.on('message', () => process.send?.(process.cpuUsage()));
process.once('disconnect', () => process.exit());
process.send?.(ports);
