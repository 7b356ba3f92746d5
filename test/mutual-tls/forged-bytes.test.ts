import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Log } from '../../src/events.ts';
import { createListener, type Listener } from '../../src/mutual-tls/listeners.ts';
import {
  type ClientCertificateOptions,
  createAuthorizer,
  createProtection,
  nodeProtection,
} from '../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  type TestIssuer,
} from '../resource-server/issuer.ts';
import { type RawAnswer, rawExchange, rawRequest } from './raw-exchange.ts';
import { thumbprintOf } from './thumbprint.ts';

const OPTIONS: Readonly<Record<'proxy' | 'socket', ClientCertificateOptions>> = {
  proxy: { from: 'proxy', format: 'rfc9440', trustedProxies: ['127.0.0.1'] },
  socket: { from: 'socket' },
};
let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let apis: Readonly<Record<'proxy' | 'socket', { readonly listener: Listener; readonly port: number }>>;
let bearer: string;
let leaf: string;
let events: string[] = [];
const served: string[] = [];

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  const { certificatePem, privateKeyPem } = certificates.server;
  const note = (event: string) => {
    events.push(event);
  };
  const log: Log = { emit: note };
  const open = async (name: 'proxy' | 'socket') => {
    const listener = createListener({
      name,
      certificatePem,
      privateKeyPem,
      requestClientCertificate: true,
      log,
    });
    const port = await listener.listen(0, '127.0.0.1');
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => NOW },
      fetchDocument: async () => Buffer.from(await issuer.statusList([])),
    });
    const protection = createProtection({ authorizer, clientCertificate: OPTIONS[name], log });
    const handler = nodeProtection(protection, { scopes: [], roles: [] }, (request, response) => {
      served.push(request.url ?? '');
      response.end('served');
    });
    listener.serve(new URL(`https://localhost:${port}`), handler);
    return { listener, port };
  };
  apis = { proxy: await open('proxy'), socket: await open('socket') };
  bearer = `Authorization: Bearer ${await issuer.token(thumbprintOf(certificates.one.der))}`;
  leaf = `:${Buffer.from(certificates.one.der).toString('base64')}:`;
});
afterAll(() => Promise.all(Object.values(apis).map(({ listener }) => listener.close())));

const host = (name: 'proxy' | 'socket' = 'proxy') => `Host: localhost:${apis[name].port}`;
function send(
  bytes: string,
  options: { name?: 'proxy' | 'socket'; from?: string; certificate?: 'one' | 'two' } = {},
): Promise<RawAnswer> {
  const { name = 'proxy', from, certificate } = options;
  events = [];
  return rawExchange(bytes, {
    port: apis[name].port,
    caPem: certificates.authority.certificatePem,
    ...(from === undefined ? {} : { from }),
    ...(certificate === undefined ? {} : { certificate: certificates[certificate] }),
  });
}

describe('a certificate in a header, as bytes on the wire', () => {
  it('is taken from the trusted proxy, once, in any case', async () => {
    for (const name of ['Client-Cert', 'CLIENT-CERT', 'client-cert'])
      expect((await send(rawRequest('/', [host(), bearer, `${name}: ${leaf}`]))).status).toBe(200);
  });

  it.each([
    ['two fields (B3)', () => [`Client-Cert: ${leaf}`, `Client-Cert: ${leaf}`]],
    ['two fields of different case (B3)', () => [`Client-Cert: ${leaf}`, `CLIENT-CERT: ${leaf}`]],
    ['an empty field besides (B3)', () => [`Client-Cert: ${leaf}`, 'Client-Cert:']],
    ['two values in one field (B5)', () => [`Client-Cert: ${leaf}, ${leaf}`]],
    ['a twin with an underscore (B4)', () => [`Client-Cert: ${leaf}`, `Client_Cert: ${leaf}`]],
    ['a twin only (B4)', () => [`client_cert: ${leaf}`]],
    ['a twin with a dot (B4)', () => [`Client.Cert: ${leaf}`]],
    ['a space before the colon (B4)', () => [`Client-Cert : ${leaf}`]],
    ['a folded line (B4)', () => [`Client-Cert: ${leaf.slice(0, 40)}`, ` ${leaf.slice(40)}`]],
    ['a bare line feed (B4)', () => [`X-A: b\nClient-Cert: ${leaf}`]],
    ['a bare carriage return (B4)', () => [`X-A: b\rClient-Cert: ${leaf}`]],
    ['a zero byte', () => [`Client-Cert: ${leaf}\0`]],
    ['parameters (B5)', () => [`Client-Cert: ${leaf};a=1`]],
    ['more than 16 kB (B5)', () => [`Client-Cert: :${'A'.repeat(20_000)}:`]],
  ])('is refused with 400: %s', async (_title, fields) => {
    const { status, text } = await send(rawRequest('/', [host(), bearer, ...fields()]));
    expect([status, text.includes('served')]).toEqual([400, false]);
    // What Node itself refuses never was a request.
    expect(events).toEqual([text.includes('ERR_PROXY_HEADER') ? 'proxy.malformed_header' : 'http.malformed']);
  });

  it('is refused from another address and on the TLS listener, also beside the right one, with an event (B1, B2)', async () => {
    const forged = ['Client-Cert', 'X-SSL-Client-Cert', 'x-forwarded-client-cert', 'X_Ssl_Cert'];
    for (const name of forged) {
      const field = `${name}: ${leaf}`;
      const elsewhere = await send(rawRequest('/', [host(), bearer, field]), {
        from: '127.0.0.2',
        certificate: 'one',
      });
      expect([elsewhere.status, events]).toEqual([400, ['proxy.untrusted_header']]);
      expect(elsewhere.body).toContain('ERR_PROXY_UNTRUSTED');
      for (const certificate of ['one', 'two'] as const) {
        const request = rawRequest('/', [host('socket'), bearer, field]);
        const own = await send(request, { name: 'socket', certificate });
        expect([own.status, events]).toEqual([400, ['proxy.untrusted_header']]);
      }
    }
    const clean = rawRequest('/', [host('socket'), bearer]);
    expect((await send(clean, { name: 'socket', certificate: 'one' })).status).toBe(200);
  });

  it('is not replaced by the one of the connection when it is missing (B9, B10)', async () => {
    for (const fields of [[], ['Client-Cert:'], ['Connection: Client-Cert']]) {
      const { status, body } = await send(rawRequest('/', [host(), bearer, ...fields]), {
        certificate: 'one',
      });
      expect([status, body]).toEqual([401, expect.stringContaining('ERR_CERT_MISSING')]);
    }
  });

  it('does not come back in any answer, and no answer may be kept (B15)', async () => {
    for (const fields of [
      [bearer, `Client-Cert: ${leaf}`],
      [`Client-Cert: ${leaf}`],
      [bearer],
      [`Client-Cert: ${leaf},`],
    ]) {
      const answer = await send(rawRequest('/', [host(), ...fields]));
      expect(answer.text).not.toContain(leaf.slice(1, 60));
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.headers).not.toHaveProperty('client-cert');
    }
  });
});

describe('bytes that are not what they seem', () => {
  it.each([
    ['both lengths', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['chunked and identity', 'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'Content-Length: 0\r\nContent-Length: 40\r\n\r\n'],
    ['a length with a sign', 'Content-Length: +4\r\n\r\nabcd'],
    ['a chunk size with a sign', 'Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n'],
    ['a chunk that ends with a line feed', 'Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n'],
  ])('are no second request: %s (B11)', async (_title, rest) => {
    const smuggled = `GET /smuggled HTTP/1.1\r\n${host()}\r\n${bearer}\r\nClient-Cert: ${leaf}\r\nConnection: close\r\n\r\n`;
    const { text } = await send(`POST / HTTP/1.1\r\n${host()}\r\n${rest}${smuggled}`);
    expect(text).not.toContain('served');
    expect(served).not.toContain('/smuggled');
  });

  it.each([
    ['two hosts (B12)', () => rawRequest('/', [host(), 'Host: evil.example'])],
    ['an absolute target (B13)', () => rawRequest('https://evil.example/', [host()])],
    [
      'an absolute target of our own (B13)',
      () => rawRequest(`https://localhost:${apis.proxy.port}/`, [host()]),
    ],
    ['a target that is an authority', () => rawRequest('evil.example:443', [host()], 'CONNECT')],
  ])('are refused: %s', async (_title, bytes) => {
    const { status, text } = await send(bytes().replace('\r\n', `\r\n${bearer}\r\nClient-Cert: ${leaf}\r\n`));
    expect([400, 0]).toContain(status);
    expect(text).not.toContain('served');
  });

  it('offers HTTP/1.1 only, so that there is nothing to downgrade (B14)', async () => {
    const socket = connect({
      port: apis.proxy.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: certificates.authority.certificatePem,
      ALPNProtocols: ['h2'],
    });
    const error = await new Promise<Error | undefined>((resolve) => {
      socket.once('error', resolve);
      socket.once('secureConnect', () => resolve(undefined));
    });
    socket.destroy();
    expect(error?.message).toMatch(/no application protocol|alert/);
    const preface = await send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect(preface.status).toBe(400);
  });

  it('knows no PROXY protocol, before TLS or within (B16)', async () => {
    const version1 = 'PROXY TCP4 10.0.0.1 10.0.0.2 1 443\r\n';
    const within = await send(version1 + rawRequest('/', [host(), bearer, `Client-Cert: ${leaf}`]));
    expect([within.status, within.text.includes('served')]).toEqual([400, false]);
    const before = await new Promise<string>((resolve) => {
      const socket = connectPlain(apis.proxy.port, '127.0.0.1', () => socket.write(version1));
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.once('error', () => resolve(text));
      socket.once('close', () => resolve(text));
    });
    expect(before).not.toContain('served');
  });
});
