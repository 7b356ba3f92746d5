import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

/** What `java.net.HttpURLConnection` of Java 17 sends when its user sets no Accept field. */
const JAVA = 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2';
const FORM = 'application/x-www-form-urlencoded';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

const plain = { grant_type: 'client_credentials', scope: 'accounts', client_id: 'money-one-mtls' };

interface Sent {
  readonly tpp?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** A request as Java makes it, to the mTLS listener unless another address is named. `fetch` would change fields. */
async function java(path: string, { tpp, method = 'POST', headers = {}, body }: Sent = {}) {
  const { caFile, mtlsUrl } = sandbox.description;
  const files = tpp === undefined ? undefined : tppNamed(sandbox.description, tpp);
  const outgoing = request(path.startsWith('/') ? `${mtlsUrl}${path}` : path, {
    method,
    headers: {
      accept: JAVA,
      ...(body === undefined ? {} : { 'content-type': FORM, 'content-length': Buffer.byteLength(body) }),
      ...headers,
    },
    agent: false,
    servername: 'localhost',
    ca: readFileSync(caFile),
    ...(files === undefined
      ? {}
      : { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) }),
  });
  outgoing.end(body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const answer = await text(response);
  const isJson = response.headers['content-type']?.startsWith('application/json') === true;
  const json: Record<string, unknown> = isJson ? JSON.parse(answer) : {};
  return { status: response.statusCode, headers: response.headers, text: answer, json };
}
const form = (parameters: Record<string, string>) => new URLSearchParams(parameters).toString();

describe('a program that prefers HTML gets JSON (RFC 6749 §5.2)', () => {
  const cases: readonly [title: string, path: string, sent: Sent, status: number][] = [
    ['/token', '/token', { tpp: 'money-one', body: form({ ...plain, client_id: 'nobody' }) }, 400],
    ['/token without a certificate', '/token', { body: form(plain) }, 400],
    ['/par', '/par', { tpp: 'money-one', body: form({ client_id: 'money-one-mtls' }) }, 400],
    ['/introspect', '/introspect', { tpp: 'money-one', body: form({ client_id: 'money-one-mtls' }) }, 400],
    ['/revoke', '/revoke', { tpp: 'money-one', body: form({ client_id: 'money-one-mtls' }) }, 400],
    ['/userinfo', '/userinfo', { tpp: 'money-one', method: 'GET' }, 401],
    ['/jwks', '/jwks', {}, 405],
    ['/.well-known/openid-configuration', '/.well-known/openid-configuration', {}, 405],
    ['/status-lists/1', '/status-lists/1', {}, 405],
    ['/token by GET', '/token', { method: 'GET' }, 405],
    ['no address', '/nothing', { method: 'GET' }, 404],
    ['an address of the other listener', '/authorize', { method: 'GET' }, 404],
    ['another host', '/token', { headers: { host: 'other.example' }, body: '' }, 421],
    ['a body that is too large', '/token', { tpp: 'money-one', body: `x=${'a'.repeat(60_000)}` }, 413],
  ];
  it.each(cases)('%s', async (_title, path, sent, status) => {
    const answer = await java(path, sent);
    expect([answer.status, answer.headers['content-type']]).toEqual([
      status,
      expect.stringMatching(/^application\/json/),
    ]);
    expect(answer.json.error).toBeTypeOf('string');
    expect(answer.json.error_description).toMatch(/^ERR_[A-Z_]+: /);
  });

  it('at the address of the customer: for endpoints of programs and for no endpoint', async () => {
    for (const path of ['/token', '/par', '/nothing']) {
      const answer = await java(`${sandbox.description.issuer}${path}`, { body: form(plain) });
      expect([path, answer.status, answer.json.error]).toEqual([path, 404, 'invalid_request']);
    }
    const elsewhere = await java(`${sandbox.description.issuer}/token`, { body: form(plain) });
    expect(elsewhere.json.error_description).toContain('/token is on the other listener');
  });

  it('a customer who navigates to such an address sees a page', async () => {
    const headers = { 'sec-fetch-mode': 'navigate', accept: 'text/html' };
    const answer = await java(`${sandbox.description.issuer}/nothing`, { method: 'GET', headers });
    expect([answer.status, answer.headers['content-type']]).toEqual([
      404,
      expect.stringContaining('text/html'),
    ]);
  });
});

describe('a client that is refused', () => {
  it('by its certificate gets 400: a 401 would have to name a scheme of HTTP (RFC 9110 §15.5.2)', async () => {
    const answer = await java('/token', { tpp: 'money-two', body: form(plain) });
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_client']);
    expect(answer.headers['www-authenticate']).toBeUndefined();
  });
});
