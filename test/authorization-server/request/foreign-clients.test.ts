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
      ...(body === undefined ? {} : { 'content-type': FORM }),
      ...(body === undefined || 'transfer-encoding' in headers
        ? {}
        : { 'content-length': Buffer.byteLength(body) }),
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
    ['/revoke without a client', '/revoke', { tpp: 'money-one', body: form({ token: 'x' }) }, 400],
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
    expect(answer.headers['cache-control']).toBe('no-store');
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

const AUTHORIZATION_REQUEST = {
  client_id: 'money-one-mtls',
  response_type: 'code',
  scope: 'openid accounts',
  redirect_uri: 'https://tpp.example/callback',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
};

describe('what changes the meaning of a request is refused, not ignored (N14)', () => {
  const TPP = { tpp: 'money-one' };
  const GZIP = { 'content-encoding': 'gzip' };
  it.each<[title: string, sent: Sent, status: number, code: string]>([
    ['Content-Encoding', { headers: GZIP }, 415, 'ERR_HTTP_CONTENT'],
    [
      'another charset',
      { headers: { 'content-type': `${FORM}; charset=iso-8859-1` } },
      415,
      'ERR_HTTP_CONTENT',
    ],
    ['JSON', { headers: { 'content-type': 'application/json' }, body: '{}' }, 415, 'ERR_HTTP_CONTENT'],
    ['a client_secret', { body: form({ ...plain, client_secret: 'x' }) }, 400, 'ERR_CLIENT_METHOD'],
    [
      'half of an assertion',
      { body: form({ ...plain, client_assertion_type: 'x' }) },
      400,
      'ERR_CLIENT_METHOD',
    ],
    [
      'an assertion of a client that is registered for its certificate',
      {
        body: form({
          ...plain,
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJtb25leS1vbmUtbXRscyJ9.eHg',
        }),
      },
      400,
      'does not match the registered client authentication method',
    ],
    ['an unknown parameter twice', { body: `${form(plain)}&x=1&x=2` }, 400, 'ERR_REQUEST_INVALID'],
    ['a DPoP proof that is none', { headers: { dpop: 'x' } }, 400, 'ERR_DPOP_PROOF'],
    [
      'authorization_details',
      { body: form({ ...plain, authorization_details: '[]' }) },
      400,
      'ERR_AUTHORIZATION_DETAILS',
    ],
    [
      'no scope',
      { body: form({ grant_type: 'client_credentials', client_id: 'money-one-mtls' }) },
      400,
      'ERR_SCOPE_MISSING',
    ],
  ])('at /token: %s', async (_title, sent, status, code) => {
    const answer = await java('/token', { ...TPP, body: form(plain), ...sent });
    expect([answer.status, answer.json.error_description]).toEqual([status, expect.stringContaining(code)]);
  });

  it('at /token: parameters in the address', async () => {
    const answer = await java(`/token?${form(plain)}`, { ...TPP, body: form(plain) });
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_request']);
    expect(answer.json.error_description).toContain('not into the address');
  });

  it('at every endpoint of clients: Basic, which gets 401, its scheme, and the rule (RFC 6749 §5.2)', async () => {
    const headers = { authorization: `Basic ${Buffer.from('money-one-mtls:').toString('base64')}` };
    for (const path of ['/token', '/par', '/introspect', '/revoke']) {
      const answer = await java(path, { ...TPP, headers, body: form(plain) });
      expect([path, answer.status, answer.json.error]).toEqual([path, 401, 'invalid_client']);
      expect(answer.headers['www-authenticate']).toMatch(/^Basic realm="/);
      expect(answer.json.error_description).toContain('tls_client_auth or private_key_jwt');
    }
  });

  it.each([
    ['request_uri', 'urn:ietf:params:oauth:request_uri:x', 'invalid_request'],
    ['registration', '{}', 'registration_not_supported'],
    ['id_token_hint', 'a.b.c', 'invalid_request'],
    ['grant_management_action', 'create', 'invalid_request'],
  ])('at /par: %s', async (name, value, error) => {
    const answer = await java('/par', { ...TPP, body: form({ ...AUTHORIZATION_REQUEST, [name]: value }) });
    expect([answer.status, answer.json.error]).toEqual([400, error]);
    expect(answer.json.error_description).toMatch(new RegExp(`^ERR_PARAMETER_UNSUPPORTED: .*: ${name}$`));
  });

  it.each([
    ['response_mode', 'jwt', 'invalid_request', 'ERR_REQUEST_INVALID'],
    ['response_mode', 'form_post', 'unsupported_response_mode', 'ERR_REQUEST_INVALID'],
    ['prompt', 'create', 'invalid_request', 'ERR_REQUEST_INVALID'],
    ['prompt', 'select_account', 'invalid_request', 'ERR_REQUEST_INVALID'],
    ['max_age', 'soon', 'invalid_request', 'ERR_REQUEST_INVALID'],
    ['resource', 'https://elsewhere.example/', 'invalid_target', 'ERR_REQUEST_INVALID'],
    ['scope', '', 'invalid_scope', 'ERR_SCOPE_MISSING'],
    [
      'authorization_details',
      '[{"type":"payment_initiation"}]',
      'invalid_authorization_details',
      'ERR_AUTHORIZATION_DETAILS',
    ],
    ['scope', 'openid AIS:1234', 'invalid_request', 'ERR_CONSENT_REFERENCE'],
    ['scope', 'consent:1234', 'invalid_request', 'ERR_CONSENT_REFERENCE'],
    [
      'claims',
      '{"id_token":{"openbanking_intent_id":{"value":"x"}}}',
      'invalid_request',
      'ERR_CONSENT_REFERENCE',
    ],
    ['scope', 'openid profile', 'invalid_scope', 'ERR_SCOPE_UNKNOWN'],
  ])('at /par: %s %s', async (name, value, error, code) => {
    const answer = await java('/par', { ...TPP, body: form({ ...AUTHORIZATION_REQUEST, [name]: value }) });
    expect([answer.status, answer.json.error]).toEqual([400, error]);
    expect(answer.json.error_description).toContain(code);
  });

  it.each([
    ['unknown_parameter', 'x'],
    ['acr_values', 'urn:openbanking:psd2:sca'],
    ['max_age', '300'],
    ['claims', '{"id_token":{"given_name":null}}'],
    ['prompt', 'login consent'],
    ['ui_locales', 'de-AT'],
    ['login_hint', 'alice'],
    ['display', 'page'],
    ['nonce', 'n'],
  ])(
    'but not %s at /par, which RFC 6749 §3.1 and OpenID Connect Core §15.1 let pass',
    async (name, value) => {
      const answer = await java('/par', { ...TPP, body: form({ ...AUTHORIZATION_REQUEST, [name]: value }) });
      expect([answer.status, answer.json.error_description]).toEqual([201, undefined]);
    },
  );

  it('a form in pieces without a length is read all the same', async () => {
    const headers = { 'transfer-encoding': 'chunked' };
    const answer = await java('/token', { ...TPP, headers, body: form(plain) });
    expect(answer.status).toBe(200);
  });

  it('another transfer coding is refused', async () => {
    const headers = { 'transfer-encoding': 'gzip, chunked' };
    const answer = await java('/token', { ...TPP, headers, body: form(plain) });
    expect([answer.status, answer.json.error]).toEqual([501, 'invalid_request']);
  });
});
