import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAuthorizer, createGateway, createProtection } from '../../../src/resource-server/index.ts';
import { AUDIENCE, createTestIssuer, ISSUER } from '../../resource-server/issuer.ts';

// A process of its own: the API in another language, and the gateway; tells its ports and a token.
const [thumbprint = ''] = process.argv.slice(2);
const issuer = await createTestIssuer();
const iat = Math.floor(Date.now() / 1000);
const life = { iat, exp: iat + 3600 };
const authorizer = createAuthorizer({
  issuer: ISSUER,
  audience: AUDIENCE,
  jwks: issuer.jwks,
  fetchDocument: async () => Buffer.from(await issuer.statusList([], life)),
});
const gateway = createGateway({
  protection: createProtection({
    authorizer,
    clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
  }),
  proxy: 'nginx',
  routes: [{ path: '/accounts', scopes: ['accounts'], roles: ['PSP_AI'] }],
});

async function portOf(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

process.send?.({
  api: await portOf((_request, response) => response.end('{"accounts":[]}')),
  gateway: await portOf(gateway),
  token: await issuer.token(thumbprint, { claims: life }),
});
process.once('disconnect', () => process.exit());
