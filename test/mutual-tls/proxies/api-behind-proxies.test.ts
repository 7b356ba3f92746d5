import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PROXY_FORMATS, type ProxyFormatName } from '../../../src/mutual-tls/proxy-formats.ts';
import { createAuthorizer, createProtection, nodeProtection } from '../../../src/resource-server/index.ts';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { FORWARDERS } from '../forwarders.ts';
import { thumbprintOf } from '../thumbprint.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  type TestIssuer,
} from '../../resource-server/issuer.ts';
import { type RawAnswer, rawExchange, rawRequest } from '../raw-exchange.ts';
import { absence, isInstalled, type ProxyName, type RunningProxy, startProxy } from './real-proxy.ts';

const FORMATS: Readonly<Record<ProxyName, ProxyFormatName>> = {
  nginx: 'nginx',
  haproxy: 'rfc9440',
  apache: 'apache',
  caddy: 'caddy',
  envoy: 'envoy',
  traefik: 'traefik',
};

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let tokens: Readonly<Record<'one' | 'two', string>>;

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  tokens = {
    one: await issuer.token(thumbprintOf(certificates.one.der)),
    two: await issuer.token(thumbprintOf(certificates.two.der)),
  };
});

/** An API that says whose certificate it saw, and counts what reaches it. */
async function startApi(format: ProxyFormatName) {
  const seen: string[] = [];
  const protection = createProtection({
    authorizer: createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => NOW },
      fetchDocument: async () => Buffer.from(await issuer.statusList([])),
    }),
    clientCertificate: { from: 'proxy', format, trustedProxies: ['127.0.0.1'] },
  });
  const handler = nodeProtection(
    protection,
    { scopes: ['accounts'], roles: [] },
    (_request, response, proof) => {
      response.end(`of ${proof.thumbprint}`);
    },
  );
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, seen, port: (server.address() as AddressInfo).port };
}

const forgeries = (der: Uint8Array): readonly (readonly [string, string])[] =>
  Object.values(FORWARDERS).flatMap((forward) => Object.entries(forward(Buffer.from(der), [])));

describe.each(
  (['nginx', 'haproxy', 'apache', 'caddy', 'envoy', 'traefik'] as const).map(
    (name) => [`${name}${absence(name)}`, name] as const,
  ),
)('an API behind %s', (_title, name) => {
  const isThere = isInstalled(name);
  const test = it.skipIf(!isThere);
  let api: { readonly server: Server; readonly seen: string[]; readonly port: number };
  let proxy: RunningProxy | undefined;

  beforeAll(async () => {
    if (!isThere) return;
    api = await startApi(FORMATS[name]);
    proxy = await startProxy(name, {
      tls: { ...certificates.server, caPem: certificates.authority.certificatePem },
      apiPort: api.port,
    });
  });
  afterAll(async () => {
    await proxy?.close();
    await new Promise((resolve) => (api === undefined ? resolve(undefined) : api.server.close(resolve)));
  });

  const exchange = (bytes: string, certificate?: IssuedCertificate): Promise<RawAnswer> =>
    rawExchange(bytes, {
      port: proxy?.port ?? 0,
      caPem: certificates.authority.certificatePem,
      certificate,
    });
  const call = (token: string, certificate?: IssuedCertificate, ...fields: readonly string[]) =>
    exchange(rawRequest('/accounts', [host(), `Authorization: Bearer ${token}`, ...fields]), certificate);
  const host = () => `Host: localhost:${proxy?.port}`;
  const ofOne = () => `of ${thumbprintOf(certificates.one.der)}`;

  test('serves the right certificate, and refuses any other and none (A1, A2, A3, A4)', async () => {
    const right = await call(tokens.one, certificates.one);
    expect(right.text).toMatch(/^HTTP\/1.1 200/);
    expect(right.body).toContain(ofOne());
    const { two, renewed, reissued } = certificates;
    for (const [certificate, code] of [
      [two, 'ERR_TOKEN_BINDING'],
      [renewed, 'ERR_TOKEN_BINDING'],
      [reissued, 'ERR_TOKEN_BINDING'],
      [undefined, 'ERR_CERT_MISSING'],
    ] as const) {
      const { status, body } = await call(tokens.one, certificate);
      expect([status, body]).toEqual([401, expect.stringContaining(code)]);
    }
  });

  test('lets no forged header through, whatever its name (B1, B4, RFC 9440 §4)', async () => {
    const fields = forgeries(certificates.one.der).flatMap(([field, value]) =>
      [field, field.toLowerCase(), field.replaceAll('-', '_')].map((spelling) => `${spelling}: ${value}`),
    );
    for (const field of new Set(fields)) {
      for (const certificate of [undefined, certificates.two]) {
        const { status } = await call(tokens.one, certificate, field);
        expect([field.slice(0, 40), status]).toEqual([field.slice(0, 40), expect.toBeOneOf([400, 401])]);
      }
      const own = await call(tokens.two, certificates.two, field);
      if (own.status !== 400)
        expect([own.status, own.body]).toEqual([200, expect.not.stringContaining(ofOne())]);
    }
  });

  test('takes nobody for the client when the header is taken away on the way (B9)', async () => {
    const { header } = PROXY_FORMATS[FORMATS[name]];
    const request = [
      'GET /accounts HTTP/1.1',
      host(),
      `Authorization: Bearer ${tokens.one}`,
      `Connection: close, ${header}`,
      '',
      '',
    ].join('\r\n');
    const own = await exchange(request, certificates.one);
    if (own.status === 200) expect(own.body).toContain(ofOne());
    else expect([own.status, own.body]).toEqual([401, expect.stringContaining('ERR_CERT_MISSING')]);
    expect((await exchange(request, certificates.two)).status).toBe(401);
    expect((await exchange(request)).status).toBe(401);
  });

  test('sees one request where the client sent one, however its length is told (B11)', async () => {
    const smuggled = `GET /smuggled HTTP/1.1\r\n${host()}\r\n\r\n`;
    const head = ['POST /accounts HTTP/1.1', host(), `Authorization: Bearer ${tokens.one}`];
    const bodies = [
      ['Content-Length: 6', 'Transfer-Encoding: chunked', '', `0\r\n\r\n${smuggled}`],
      ['Transfer-Encoding: chunked', 'Content-Length: 5', '', `0\r\n\r\n${smuggled}`],
      ['Transfer-Encoding: chunked, identity', '', `0\r\n\r\n${smuggled}`],
      ['Transfer-Encoding: xchunked', `Content-Length: ${smuggled.length}`, '', smuggled],
      ['Transfer-Encoding : chunked', `Content-Length: ${smuggled.length}`, '', smuggled],
      ['Content-Length: 0', `Content-Length: ${smuggled.length}`, '', smuggled],
      [`Content-Length: 0, ${smuggled.length}`, '', smuggled],
      [`Content-Length: +${smuggled.length}`, '', smuggled],
      [`Content-Length: ${smuggled.length}`, '', smuggled],
    ];
    for (const body of bodies) {
      const { text } = await exchange([...head, 'Connection: close', ...body].join('\r\n'), certificates.one);
      expect(text.match(/HTTP\/1\.1 200/g)?.length ?? 0).toBeLessThanOrEqual(1);
    }
    expect(api.seen.filter((line) => line.includes('smuggled'))).toEqual([]);
  });

  test('is not asked twice by a request with two hosts, nor fooled by another target (B12, B13)', async () => {
    const two = await exchange(
      rawRequest('/accounts', [host(), 'Host: evil.example', `Authorization: Bearer ${tokens.one}`]),
      certificates.two,
    );
    expect(two.status).toBeOneOf([400, 401]);
    const absolute = await exchange(
      rawRequest('https://evil.example/accounts', [host(), `Authorization: Bearer ${tokens.one}`]),
      certificates.two,
    );
    expect(absolute.status).toBeOneOf([400, 401, 421]);
  });
});

const insecure = (text: string) =>
  text.replace('http: {', 'forwardedHeaders: { insecure: true }\n    http: {');

describe('the forgeries above', () => {
  for (const [title, name, change, expected] of [
    [
      'would get through an nginx that does not set the header itself',
      'nginx',
      (text: string) => text.replace(/proxy_set_header X-SSL-Client-Cert.*/, ''),
      200,
    ],
    [
      'would get through an Envoy that forwards what it got',
      'envoy',
      (text: string) => text.replace('SANITIZE_SET', 'ALWAYS_FORWARD_ONLY'),
      200,
    ],
    [
      'would get through a Traefik that trusts everybody’s headers and does not take this one away',
      'traefik',
      (text: string) => insecure(text).replace('nothing-sent, ', ''),
      200,
    ],
    ['do not get through a Traefik that only trusts everybody’s headers', 'traefik', insecure, 401],
  ] as const) {
    it.skipIf(!isInstalled(name))(`${title}${absence(name)}`, async () => {
      const api = await startApi(FORMATS[name]);
      const caPem = certificates.authority.certificatePem;
      const proxy = await startProxy(name, {
        tls: { ...certificates.server, caPem },
        apiPort: api.port,
        change,
      });
      const [field, value] =
        Object.entries(FORWARDERS[FORMATS[name]](Buffer.from(certificates.one.der), []))[0] ?? [];
      const fields = ['Host: x', `Authorization: Bearer ${tokens.one}`, `${field}: ${value}`];
      const { status } = await rawExchange(rawRequest('/', fields), { port: proxy.port, caPem });
      expect(status).toBe(expected);
      await proxy.close();
      await new Promise((resolve) => api.server.close(resolve));
    });
  }
});
