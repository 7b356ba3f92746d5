import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadGatewayConfig } from '../../../src/configuration/gateway-config.ts';
import { silentLog } from '../../../src/events.ts';
import { freePort } from '../../free-port.ts';
import { startGateway } from '../../../src/server/gateway/gateway-server.ts';
import { snippet } from '../../docs/pages.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  serveOverTls,
  type TestServer,
} from '../../resource-server/issuer.ts';
import { type BankKey, bankKey } from '../../resource-server/signatures/glues.ts';
import {
  isSignedAnswer,
  signed,
  type SignedRequest,
  signingKey,
} from '../../resource-server/signatures/signed-request.ts';
import { thumbprintOf } from '../thumbprint.ts';
import { adapted } from './documented-snippet.ts';
import { absence, isInstalled, type RunningProxy, startProxy } from './real-proxy.ts';

const parts: {
  authority?: TestServer;
  api?: Server;
  proxy?: RunningProxy;
  gateway?: { close(): Promise<void> };
} = {};
const asked: string[] = [];
let bank: BankKey;
let request: SignedRequest;
let send: (change?: Partial<SignedRequest>) => Promise<{ status: number; headers: Headers; text: string }>;

/** nginx with the documented lines, the gateway with the documented configuration, an API in any language. */
beforeAll(async () => {
  if (!isInstalled('nginx')) return;
  const [issuer, certificates, own] = [
    await createTestIssuer(),
    await createTestCertificates(),
    await signingKey('tpp-1'),
  ];
  bank = await bankKey();
  const now = Math.floor(Date.now() / 1000);
  const authority = await serveOverTls((incoming, response) => {
    const { url = '', headers } = incoming;
    asked.push(url);
    const base = `https://${headers.host}`;
    const list = { iss: base, sub: `${base}/status-lists/0`, iat: now, exp: now + 60 };
    if (url === '/jwks') response.end(JSON.stringify(issuer.jwks));
    else if (url === '/client-keys/acme') response.end(JSON.stringify({ keys: [own.jwk] }));
    else void issuer.statusList([], list).then((body) => response.end(body));
  }, certificates);
  const api = createServer(async (incoming, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end(`${incoming.headers['x-tallystick-client-id']} paid ${await text(incoming)}`);
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  const caPem = certificates.authority.certificatePem;
  const proxy = await startProxy('nginx', { tls: { ...certificates.server, caPem }, apiPort: port });
  const file = (name: string) => join(proxy.folder, name);
  await Promise.all([
    writeFile(file('api.pem'), certificates.two.certificatePem),
    writeFile(file('api.key'), certificates.two.privateKeyPem, { mode: 0o600 }),
    writeFile(file('answers.key'), bank.privateKeyPem, { mode: 0o600 }),
    writeFile(
      file('gateway.yaml'),
      adapted(snippet('docs/http-signatures.md', 'gateway.yaml'), {
        'port: 4000': `port: ${port}`,
        'https://as.bank.example': `${authority.url}\ncaFile: tpp-cas.pem`,
        'https://mtls.bank.example': authority.url,
        'http://127.0.0.1:3000': `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
        'https://api.bank.example': AUDIENCE,
        'bank-2026': 'bank-1',
      }),
    ),
  ]);
  const gateway = await startGateway(await loadGatewayConfig(file('gateway.yaml')), {
    source: 'gateway.yaml',
    log: silentLog,
  });
  Object.assign(parts, { authority, api, proxy, gateway });
  const token = await issuer.token(thumbprintOf(certificates.one.der), {
    claims: {
      iss: authority.url,
      iat: now,
      exp: now + 600,
      status: { status_list: { idx: 7, uri: `${authority.url}/status-lists/0` } },
    },
  });
  request = await signed({ token, path: '/payments' }, own.privateKey, {
    parameters: { created: new Date() },
  });
  const { certificatePem: cert, privateKeyPem: key } = certificates.one;
  const dispatcher = new Agent({
    connect: { ca: await readFile(file('tpp-cas.pem'), 'utf8'), cert, key, servername: 'localhost' },
  });
  send = async (change = {}) => {
    const { method, path, headers, body } = { ...request, ...change };
    const answer = await fetch(`https://127.0.0.1:${proxy.port}${path}`, {
      dispatcher,
      method,
      headers,
      body,
    });
    return { status: answer.status, headers: new Headers([...answer.headers]), text: await answer.text() };
  };
});
afterAll(async () => {
  await parts.proxy?.close();
  await parts.gateway?.close();
  await parts.authority?.close();
  parts.api?.close();
});

it.skipIf(!isInstalled('nginx'))(
  `a gateway that forwards proves and signs behind a real nginx, with the keys of the authorization server${absence('nginx')} (Q1, Q8)`,
  async () => {
    const answer = await send();
    expect([answer.status, answer.text]).toEqual([200, 'acme paid {"amount":"12.50"}']);
    expect(await isSignedAnswer(answer, request, { ...bank, at: new Date() })).toBe(true);
    const altered = await send({ body: '{"amount":"99.50"}' });
    expect([altered.status, altered.text]).toEqual([401, expect.stringContaining('ERR_SIGNATURE_DIGEST')]);
    expect(asked.filter((url) => url.startsWith('/client-keys'))).toEqual(['/client-keys/acme']);
  },
);
