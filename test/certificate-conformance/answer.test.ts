import { once } from 'node:events';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ask, type Success } from '../../src/certificate-conformance/target/answer.ts';
import { createAuthority, type Authority, type IssuedCertificate } from '../../src/sandbox/pki/pki.ts';
import { qwacOf, TPP_PLANS } from '../../src/sandbox/pki/tpps.ts';

const PERIOD = { notBefore: new Date('2020-01-01'), notAfter: new Date('2049-01-01') };
let root: Authority;
let own: IssuedCertificate;
let qwac: IssuedCertificate;
let stranger: IssuedCertificate;
let server: Server | undefined;

beforeAll(async () => {
  root = await createAuthority({ name: 'Root', ...PERIOD });
  const other = await createAuthority({ name: 'Other', ...PERIOD });
  const [plan] = TPP_PLANS;
  if (plan === undefined) throw new Error('no plan');
  [own, qwac, stranger] = await Promise.all([
    root.issue({ profile: 'server', subject: { commonName: 'localhost' }, ...PERIOD }),
    root.issue(qwacOf(plan, PERIOD)),
    other.issue(qwacOf(plan, PERIOD)),
  ]);
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function listening(answer: RequestListener, options: ServerOptions = {}): Promise<URL> {
  server = createServer({ cert: own.certificatePem, key: own.privateKeyPem, ...options }, answer);
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return new URL(`https://localhost:${(server.address() as AddressInfo).port}/`);
}

/** The verdict about an answer, and its text. */
async function judged(url: URL, success: Success = 'access_token', certificate = qwac) {
  const presented = { certificatePem: certificate.certificatePem, keyPem: certificate.privateKeyPem };
  const options = { caPem: root.certificatePem, timeoutSeconds: 2 };
  const { verdict, text } = await ask(() => ({ url, presented }), success, options);
  return [verdict, text];
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): RequestListener => {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
};

describe('an answer', () => {
  it.each<[string, RequestListener, Success, string, RegExp]>([
    [
      'a token',
      json(200, { access_token: 'secret' }),
      'access_token',
      'accepted',
      /^HTTP 200 \(access_token\)$/,
    ],
    ['200 without a token', json(200, {}), 'access_token', 'unclear', /^HTTP 200$/],
    ['an OAuth error', json(400, { error: 'invalid_client' }), 'access_token', 'refused', /invalid_client$/],
    ['an unusual 4xx with an OAuth error', json(422, { error: 'no' }), 'request_uri', 'refused', /422 no/],
    ['an unusual 4xx of an API', json(422, { error: 'no' }), 'any 2xx', 'unclear', /422 no/],
    [
      'an OAuth error about the server',
      json(400, { error: 'server_error' }),
      'access_token',
      'unclear',
      /server/,
    ],
    ['404', json(404, {}), 'any 2xx', 'unclear', /HTTP 404/],
    ['401 of an API', json(401, {}), 'any 2xx', 'refused', /HTTP 401/],
    ['a redirect to a log-in page', json(302, {}, { location: '/' }), 'any 2xx', 'unclear', /HTTP 302/],
    ['500', json(500, { error: 'invalid_client' }), 'access_token', 'unclear', /HTTP 500/],
    ['429, also when asked again', json(429, {}, { 'retry-after': '0' }), 'any 2xx', 'unknown', /HTTP 429/],
    [
      'the end of the connection',
      (request) => request.socket.destroy(),
      'any 2xx',
      'unclear',
      /closed, without/,
    ],
    ['silence', () => {}, 'any 2xx', 'late', /no answer within 2 s/],
    [
      'an answer that draws',
      json(400, { error: 'x\u001b[2J\n\ny' }),
      'any 2xx',
      'refused',
      /^HTTP 400 x.\[2J y$/,
    ],
  ])('is judged: %s', async (_name, listener, success, verdict, text) => {
    const [found, shown] = await judged(await listening(listener), success);
    expect([found, shown]).toEqual([verdict, expect.stringMatching(text)]);
  });

  it('is waited for once when the server asks for it', async () => {
    let count = 0;
    const url = await listening((request, response) => {
      count += 1;
      const answer = count === 1 ? json(503, {}, { 'retry-after': '0' }) : json(200, { access_token: 'x' });
      answer(request, response);
    });
    expect(await judged(url)).toEqual(['accepted', 'HTTP 200 (access_token)']);
    expect(count).toBe(2);
  });

  it('is a refusal when TLS ends in the handshake, with an alert or without (RFC 8446 §6.2)', async () => {
    const options = { ca: root.certificatePem, requestCert: true, rejectUnauthorized: true };
    const url = await listening(json(200, {}), options);
    expect(await judged(url, 'any 2xx')).toEqual(['accepted', 'HTTP 200']);
    const [verdict, text] = await judged(url, 'any 2xx', stranger);
    expect([verdict, text]).toEqual(['refused', expect.stringMatching(/^TLS: /)]);
  });

  it('is none of the certificate when the server is another, or not there', async () => {
    const url = await listening(json(200, {}));
    const presented = { certificatePem: qwac.certificatePem, keyPem: qwac.privateKeyPem };
    const untrusting = { caPem: stranger.certificatePem, timeoutSeconds: 2 };
    expect((await ask(() => ({ url, presented }), 'any 2xx', untrusting)).verdict).toBe('unclear');
    const gone = { caPem: root.certificatePem, timeoutSeconds: 2 };
    const nowhere = new URL('https://localhost:1/');
    expect((await ask(() => ({ url: nowhere, presented }), 'any 2xx', gone)).text).toContain('ECONNREFUSED');
  });
});
