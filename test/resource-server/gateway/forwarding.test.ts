import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createAuthorizer,
  createGateway,
  createMessageSignatures,
  createProtection,
  type GatewayOptions,
  logTo,
} from '../../../src/resource-server/index.ts';
import { FORWARDERS } from '../../mutual-tls/forwarders.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, ISSUER } from '../issuer.ts';
import { bankKey, type BankKey, CLOCK } from '../signatures/glues.ts';
import {
  isSignedAnswer,
  signed,
  type SignedRequest,
  type SigningKey,
  signingKey,
} from '../signatures/signed-request.ts';

const servers: Server[] = [];
const log: unknown[] = [];
let bank: BankKey;
let own: SigningKey;
let token: string;
let certificate: Record<string, string>;
let options: GatewayOptions;
let api: string;
let gateway: string;

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The API behind: shows what it got. */
const echo: RequestListener = async (request, response) => {
  if (request.url === '/unsigned/torn') {
    response.write('{');
    setTimeout(() => response.destroy(), 10);
    return;
  }
  if (request.url === '/unsigned/silent') return;
  const body = await text(request);
  response.setHeader('set-cookie', ['a=1', 'b=2']);
  response.setHeader('cache-control', 'public');
  response.setHeader('content-type', 'application/json');
  response.writeHead(201).end(JSON.stringify({ body, url: request.url, headers: request.headers }));
};

beforeAll(async () => {
  const issuer = await createTestIssuer();
  const certificates = await createTestCertificates();
  bank = await bankKey();
  own = await signingKey('tpp-1');
  token = await issuer.token(thumbprintOf(certificates.one.der));
  certificate = FORWARDERS.nginx(Buffer.from(certificates.one.der), []);
  api = await serve(echo);
  const protection = createProtection({
    authorizer: createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: CLOCK,
      fetchDocument: async () => Buffer.from(await issuer.statusList([])),
    }),
    clientCertificate: { from: 'proxy', format: 'nginx', trustedProxies: ['127.0.0.1'] },
    log: logTo((name) => log.push(name)),
  });
  const signatures = createMessageSignatures({
    format: 'fapi-2',
    origin: AUDIENCE,
    keysOf: () => ({ keys: [own.jwk] }),
    response: { keyId: 'bank-1', privateKeyPem: bank.privateKeyPem },
    clock: CLOCK,
  });
  const needed = { scopes: ['accounts'], roles: ['PSP_AI'] } as const;
  options = {
    protection,
    proxy: 'forward',
    upstream: { origin: api, timeoutSeconds: 1 },
    routes: [
      { path: '/payments', ...needed, signatures },
      { path: '/unsigned/**', ...needed },
    ],
  };
  gateway = await serve(createGateway(options));
});
afterAll(async () => {
  for (const server of servers) server.closeAllConnections();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
});

const send = async ({ path, method, headers, body }: SignedRequest, to = gateway) => {
  const answer = await fetch(`${to}${path}`, {
    method,
    headers: { ...certificate, ...headers },
    ...(body === '' ? {} : { body }),
  });
  const content = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    text: content,
    json: content.startsWith('{') ? JSON.parse(content) : {},
  };
};
const plain = (path: string, change: Partial<SignedRequest> = {}): SignedRequest => ({
  method: 'GET',
  path,
  body: '',
  headers: { authorization: `Bearer ${token}`, ...change.headers },
});

describe('a gateway that forwards', () => {
  it('proves a signed request over the bytes that the API gets, and signs the answer of the API', async () => {
    const request = await signed({ token }, own.privateKey);
    const answer = await send(request);
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      body: request.body,
      url: request.path,
      headers: { 'x-tallystick-client-id': 'acme', 'x-tallystick-scopes': 'accounts payments' },
    });
    expect(answer.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(await isSignedAnswer(answer, request, bank)).toBe(true);
  });

  it('refuses an altered or unsigned request before the API (Q1)', async () => {
    const request = await signed({ token }, own.privateKey);
    for (const change of [{ body: '{"amount":"99.50"}' }, { headers: plain('/payments').headers }]) {
      const { status, json } = await send({ ...request, ...change });
      expect(status).toBe(401);
      expect(json.error_description).toMatch(/ERR_SIGNATURE_(DIGEST|MISSING)/);
    }
  });

  it('forwards other routes as they are, with fields of the connection and of ours replaced', async () => {
    const headers = {
      'x-tallystick-client-id': 'admin',
      'x-tallystick-new': 'x',
      'x-kept': '1',
      'x-fapi-interaction-id': 'c0ffee00-0000-4000-8000-000000000000',
    };
    const { status, json, headers: answered } = await send(plain('/unsigned/a?b=c', { headers }));
    expect(status).toBe(201);
    expect(json.url).toBe('/unsigned/a?b=c');
    expect(json.headers).toMatchObject({
      'x-kept': '1',
      'x-tallystick-client-id': 'acme',
      host: new URL(api).host,
    });
    expect(json.headers).not.toHaveProperty('x-tallystick-new');
    expect(answered.get('x-fapi-interaction-id')).toBe(headers['x-fapi-interaction-id']);
    expect(answered.get('cache-control')).toBe('no-store');
    expect((await send({ ...plain('/unsigned/a'), headers: {} })).status).toBe(401);
    expect((await send(plain('/elsewhere'))).status).toBe(404);
  });

  it('frames a body of unknown length anew, for every method, and drops what Connection names', async () => {
    const { hostname, port } = new URL(gateway);
    const headers = {
      ...certificate,
      authorization: `Bearer ${token}`,
      connection: 'x-gone, close',
      'x-gone': '1',
      'transfer-encoding': 'chunked',
    };
    const sent = httpRequest({ hostname, port, method: 'DELETE', path: '/unsigned/a', headers });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', resolve).on('error', reject);
    });
    sent.write('one ');
    await sleep(20);
    sent.end('two');
    const json = JSON.parse(await text(await answered));
    expect(json.body).toBe('one two');
    expect(json.headers['transfer-encoding']).toBe('chunked');
    expect(json.headers).not.toHaveProperty('x-gone');
  });

  it('uses its connections to the API again', async () => {
    const sockets = new Set<unknown>();
    const counted = await serve((request, response) => {
      sockets.add(request.socket);
      response.end('{}');
    });
    const url = await serve(createGateway({ ...options, upstream: { origin: counted } }));
    for (let round = 0; round < 5; round += 1)
      expect((await send(plain('/unsigned/a'), url)).status).toBe(200);
    expect(sockets.size).toBe(1);
  });

  it('answers 503 while the API is away or silent, and logs it', async () => {
    const gone = await serve(createGateway({ ...options, upstream: { origin: 'http://127.0.0.1:9' } }));
    const answers = [await send(plain('/unsigned/a'), gone), await send(plain('/unsigned/silent'))];
    for (const { status, headers, json } of answers) {
      expect([status, headers.get('retry-after')]).toEqual([503, '5']);
      expect(json.error_description).toContain('ERR_UPSTREAM_UNAVAILABLE');
    }
    expect(log.filter((name) => name === 'dependency.unavailable')).toHaveLength(2);
  });

  it('never passes half an answer off as a whole one', async () => {
    await expect(send(plain('/unsigned/torn'))).rejects.toThrow();
  });

  it.each([
    ['signatures behind nginx, which sends no bodies', { proxy: 'nginx', upstream: undefined }],
    [
      'signed answers behind Envoy, which sends them past the gateway',
      { proxy: 'envoy', upstream: undefined },
    ],
    ['no API', { upstream: undefined }],
    ['an API that another gateway would not ask', { proxy: 'envoy' }],
    ['an API below a path', { upstream: { origin: 'http://127.0.0.1:1/api' } }],
    ['a prefix that only Envoy has', { pathPrefix: '/check' }],
    ['an API of another scheme', { upstream: { origin: 'ftp://127.0.0.1' } }],
  ] as const)('cannot be made with %s', (_name, change) => {
    expect(() => createGateway({ ...options, ...change })).toThrow(TypeError);
  });

  it('verifies signed requests for Envoy, whose checks have the body', async () => {
    const [{ path, ...route }] = options.routes as [(typeof options.routes)[number]];
    const signatures = createMessageSignatures({
      format: 'fapi-2',
      origin: AUDIENCE,
      keysOf: () => ({ keys: [own.jwk] }),
      clock: CLOCK,
    });
    const envoy = await serve(
      createGateway({
        protection: options.protection,
        proxy: 'envoy',
        routes: [{ path, ...route, signatures }],
      }),
    );
    const request = await signed({ token }, own.privateKey);
    expect((await send(request, envoy)).status).toBe(200);
    // `with_request_body` is missing from Envoy: the body was not seen, and not taken on trust.
    const { status, json } = await send({ ...request, body: '' }, envoy);
    expect(status).toBe(401);
    expect(json.error_description).toContain('ERR_SIGNATURE_DIGEST');
  });
});
