import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthorizer, createGateway, createProtection } from '../../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
} from '../../resource-server/issuer.ts';
import { rawExchange, rawRequest } from '../raw-exchange.ts';
import { thumbprintOf } from '../thumbprint.ts';
import { adapted } from './documented-snippet.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';

/** A server that counts the connections that it gets. */
interface Counted {
  readonly server: Server;
  readonly port: number;
  connections: number;
}

describe.skipIf(!isInstalled('nginx'))(`nginx by the documented lines${absence('nginx')}`, () => {
  let api: Counted;
  let gateway: Counted;
  let proxy: RunningProxy;
  let call: (token: string) => Promise<number>;
  let token: string;

  beforeAll(async () => {
    const [issuer, certificates] = await Promise.all([createTestIssuer(), createTestCertificates()]);
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => NOW },
      fetchDocument: async () => Buffer.from(await issuer.statusList([])),
    });
    const protection = createProtection({
      authorizer,
      clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
    });
    api = await counted((_request, response) => response.end('from the API'));
    gateway = await counted(
      createGateway({
        ...{ protection, proxy: 'nginx' },
        routes: [{ path: '/accounts', scopes: ['accounts'], roles: ['PSP_AI'] }],
      }),
    );
    const { one, authority, server } = certificates;
    const caPem = authority.certificatePem;
    proxy = await startProxy('nginx', {
      tls: { ...server, caPem },
      apiPort: api.port,
      snippet: 'nginx with the gateway',
      change: (text) => adapted(text, { '127.0.0.1:4000': `127.0.0.1:${gateway.port}` }),
    });
    token = await issuer.token(thumbprintOf(one.der));
    call = async (given) => {
      const bytes = rawRequest('/accounts', ['Host: api.bank.example', `Authorization: Bearer ${given}`]);
      return (await rawExchange(bytes, { port: proxy.port, caPem, certificate: one })).status;
    };
  });
  afterAll(async () => {
    await proxy?.close();
    for (const one of [api, gateway]) await new Promise((resolve) => one?.server.close(resolve));
  });

  it('asks the gateway and the API over the connections of the request before', async () => {
    for (let count = 0; count < 5; count += 1) expect(await call(token)).toBe(200);
    expect([gateway.connections, api.connections]).toEqual([1, 1]);
  });

  it('lets none of the next requests through after a refusal on such a connection', async () => {
    const statuses: number[] = [];
    for (const given of [token, `${token.slice(0, -4)}AAAA`, token, 'none', token]) {
      statuses.push(await call(given));
    }
    expect(statuses).toEqual([200, 401, 200, 401, 200]);
  });
});

async function counted(listener: RequestListener): Promise<Counted> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const value = { server, port: (server.address() as AddressInfo).port, connections: 0 };
  server.on('connection', () => {
    value.connections += 1;
  });
  return value;
}
