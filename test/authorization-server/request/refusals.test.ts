import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { secondConnection } from '../../storage/sqlite/second-connection.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

const credentials = { grant_type: 'client_credentials', scope: 'accounts', client_id: 'money-one-mtls' };

/** Exactly one event tells of this answer, with its code. */
async function codeLogged(requestId: string | null): Promise<unknown> {
  const events = await sandbox.events({ requestId });
  expect(events).toHaveLength(1);
  return events[0]?.code;
}

describe('a token request that is refused', () => {
  const cases: readonly [
    title: string,
    tpp: string,
    form: Record<string, string>,
    status: number,
    error: string,
    code: string,
  ][] = [
    [
      'of a role that the TPP does not hold (TS 119 495 cl. 5.2.2, G1)',
      'accounts-app',
      { ...credentials, client_id: 'accounts-app-mtls', scope: 'payments' },
      400,
      'invalid_scope',
      'ERR_TPP_ROLE_MISSING',
    ],
    [
      'of a TPP that was withdrawn (PSD2 article 14, G7)',
      'gone-fintech',
      { ...credentials, client_id: 'gone-fintech-mtls' },
      400,
      'invalid_client',
      'ERR_TPP_NOT_AUTHORIZED',
    ],
    [
      "for another TPP's client, also in a renewed certificate (G5, G14)",
      'money-two',
      credentials,
      400,
      'invalid_client',
      'ERR_TPP_CLIENT_MISMATCH',
    ],
    [
      'of a scope that nobody knows',
      'money-one',
      { ...credentials, scope: 'everything' },
      400,
      'invalid_scope',
      'ERR_SCOPE_UNKNOWN',
    ],
    [
      'of openid without a customer',
      'money-one',
      { ...credentials, scope: 'openid' },
      400,
      'invalid_scope',
      'ERR_SCOPE_UNKNOWN',
    ],
    [
      'of a client that nobody knows',
      'money-one',
      { ...credentials, client_id: 'nobody' },
      400,
      'invalid_client',
      'ERR_CLIENT_AUTHENTICATION',
    ],
    [
      'without a client',
      'money-one',
      { grant_type: 'client_credentials' },
      400,
      'invalid_request',
      'ERR_REQUEST_INVALID',
    ],
    [
      'of a password grant',
      'money-one',
      { ...credentials, grant_type: 'password' },
      400,
      'unsupported_grant_type',
      'ERR_REQUEST_INVALID',
    ],
    [
      'for a code that never was',
      'money-one',
      {
        grant_type: 'authorization_code',
        client_id: 'money-one-mtls',
        code: 'x'.repeat(43),
        code_verifier: 'v'.repeat(43),
        redirect_uri: 'https://tpp.example/callback',
      },
      400,
      'invalid_grant',
      'ERR_GRANT_INVALID',
    ],
  ];
  it.each(cases)(
    '%s: names the rule to the caller and logs its code',
    async (_title, tpp, form, status, error, code) => {
      const answer = await sandbox.post(tpp, '/token', form);
      expect(answer.status).toBe(status);
      expect(answer.json.error).toBe(error);
      expect(answer.json.error_description).toContain(`${code}: `);
      expect(await codeLogged(answer.headers.get('x-request-id'))).toBe(code);
    },
  );

  it('has no certificate (RFC 8705 §2)', async () => {
    const answer = await sandbox.send(`${sandbox.description.mtlsUrl}/token`, {
      method: 'POST',
      body: new URLSearchParams(credentials),
    });
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_client']);
    expect(answer.json.error_description).toContain('ERR_CERT_MISSING');
  });

  it('has a broken certificate: each is refused with its own code, for both ways of authentication', async () => {
    // A certificate with the wrong role is a good one: the scope is refused, not the TPP.
    const refused = sandbox.description.broken.filter(({ name }) => name !== 'wrong-role');
    for (const broken of refused) {
      for (const path of ['/token', '/par', '/introspect', '/revoke', '/userinfo']) {
        const answer = await sandbox.send(`${sandbox.description.mtlsUrl}${path}`, {
          method: 'POST',
          certificate: broken,
          body: new URLSearchParams(credentials),
        });
        expect([broken.name, path, answer.status, answer.json.error]).toEqual([
          broken.name,
          path,
          400,
          'invalid_client',
        ]);
        expect(answer.json.error_description).toContain(broken.expectedCode);
      }
    }
    expect(refused.length).toBeGreaterThanOrEqual(6);
  });

  it('has a certificate without the role of the scope: invalid_scope', async () => {
    const certificate = sandbox.description.broken.find(({ name }) => name === 'wrong-role');
    if (certificate === undefined) throw new Error('the sandbox has no such certificate');
    const answer = await sandbox.send(`${sandbox.description.mtlsUrl}/token`, {
      method: 'POST',
      certificate,
      body: new URLSearchParams(credentials),
    });
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_scope']);
    expect(answer.json.error_description).toContain('ERR_TPP_ROLE_MISSING');
  });

  it('leaves no secret in the log', async () => {
    const planted = 'planted-secret-0123456789';
    await sandbox.post('money-one', '/token', { ...credentials, client_assertion: planted, code: planted });
    await sandbox.post('money-one', '/revoke', { client_id: 'money-one-mtls', token: planted });
    const token = String((await sandbox.post('money-one', '/token', credentials)).json.access_token);
    await sandbox.send(`${sandbox.description.resourceUrl}/accounts?access_token=${planted}`, {
      certificate: tppNamed(sandbox.description, 'money-two'),
      headers: { authorization: `Bearer ${token}` },
    });
    const log = await readFile(sandbox.logFile, 'utf8');
    expect(log).not.toContain(planted);
    expect(log).not.toContain(token);
  });
});

describe('bad input gets a 4xx and the server goes on', () => {
  const requests: readonly [
    title: string,
    path: string,
    init: { method?: string; headers?: Record<string, string>; body?: string },
    status: number,
  ][] = [
    [
      'broken JSON',
      '/token',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{bad' },
      415,
    ],
    ['no body', '/token', { method: 'POST' }, 400],
    [
      'a body of a megabyte',
      '/token',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `a=${'x'.repeat(1_000_000)}`,
      },
      413,
    ],
    ['an unknown route', '/nothing', {}, 404],
    ['another case of a route', '/TOKEN', { method: 'POST' }, 404],
    ['a trailing slash', '/token/', { method: 'POST' }, 404],
    ['a page of the front channel', '/authorize', {}, 404],
    ['the wrong method', '/token', {}, 405],
    [
      'a doubled parameter',
      '/token',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'client_id=money-one-mtls&client_id=money-two-mtls&grant_type=client_credentials',
      },
      400,
    ],
    [
      'names of the prototype',
      '/par',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: '__proto__=1&constructor[prototype][x]=1&client_id=money-one-mtls',
      },
      400,
    ],
    [
      'bytes that are no text',
      '/par',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'client_id=%ff%fe%00&scope=%zz',
      },
      400,
    ],
  ];
  it.each(requests)('%s', async (_title, path, init, status) => {
    const certificate = tppNamed(sandbox.description, 'money-one');
    const answer = await sandbox.send(`${sandbox.description.mtlsUrl}${path}`, { ...init, certificate });
    expect(answer.status).toBe(status);
    expect(answer.json.error).toBeTypeOf('string');
    expect((await sandbox.post('money-one', '/token', credentials)).status).toBe(200);
  });

  it('has not polluted anything', () => {
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });
});

describe('a store that is held by another process', () => {
  it('gives 503 with Retry-After on either listener, and all is well when it is free again (M8)', async () => {
    const push = () =>
      sandbox.post('money-one', '/par', {
        client_id: 'money-one-mtls',
        response_type: 'code',
        scope: 'accounts',
        redirect_uri: 'https://tpp.example/callback',
        code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
        code_challenge_method: 'S256',
      });
    const pushed = await push();
    const authorize = `${sandbox.description.issuer}/authorize?client_id=money-one-mtls&request_uri=${pushed.json.request_uri}`;
    const other = secondConnection(join(sandbox.folder, 'tallystick.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    const refused = await push();
    const page = await sandbox.send(authorize, { headers: { accept: 'text/html' } });
    other.exec('ROLLBACK');
    other.close();
    expect([refused.status, refused.json.error, refused.headers.get('retry-after')]).toEqual([
      503,
      'temporarily_unavailable',
      '5',
    ]);
    expect(refused.json.error_description).toContain('ERR_STORAGE_UNAVAILABLE');
    expect(page.status === 303 ? page.headers.get('location') : page.text).toMatch(
      /server_error|temporarily_unavailable|could not be processed/,
    );
    expect((await push()).status).toBe(201);
  }, 20_000);
});

describe('a token that is issued', () => {
  it.each(['tls_client_auth'] as const)(
    'is a JWT bound to the certificate (RFC 8705 §3.1, RFC 9068): %s',
    async () => {
      const answer = await sandbox.post('money-one', '/token', credentials);
      const [header = '', payload = ''] = String(answer.json.access_token).split('.');
      const der = Buffer.from(
        (await readFile(tppNamed(sandbox.description, 'money-one').certificateFile, 'utf8')).replace(
          /-----[^-]+-----|\s/g,
          '',
        ),
        'base64',
      );
      const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
      expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toMatchObject({
        alg: 'ES256',
        typ: 'at+jwt',
      });
      expect(claims.cnf).toEqual({ 'x5t#S256': createHash('sha256').update(der).digest('base64url') });
      expect(claims).toMatchObject({
        iss: sandbox.description.issuer,
        aud: sandbox.description.resourceUrl,
        scope: 'accounts',
      });
      expect(answer.headers.get('cache-control')).toContain('no-store');
    },
  );

  it('dies at the revocation endpoint although it is a JWT (RFC 7009 §2.1)', async () => {
    const certificate = tppNamed(sandbox.description, 'money-one');
    const token = String((await sandbox.post('money-one', '/token', credentials)).json.access_token);
    const call = () =>
      sandbox.send(`${sandbox.description.resourceUrl}/accounts`, {
        certificate,
        headers: { authorization: `Bearer ${token}` },
      });
    expect((await call()).status).toBe(200);
    expect((await sandbox.post('money-two', '/revoke', { client_id: 'money-two-mtls', token })).status).toBe(
      200,
    );
    expect((await sandbox.post('money-one', '/revoke', { client_id: 'money-one-mtls', token })).status).toBe(
      200,
    );
    await expect
      .poll(async () => (await call()).json.error_description, { timeout: 8000, interval: 500 })
      .toContain('ERR_TOKEN_REVOKED');
  });
});

describe('discovery', () => {
  it('is the same on both listeners and names each endpoint where it is (RFC 8414, RFC 8705 §5)', async () => {
    const { issuer, mtlsUrl } = sandbox.description;
    const paths = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'];
    const urls = paths.flatMap((path) => [`${issuer}${path}`, `${mtlsUrl}${path}`]);
    const [first, ...others] = await Promise.all(urls.map((url) => sandbox.send(url)));
    const metadata = first?.json ?? {};
    for (const other of others) expect(other.json).toEqual(metadata);
    expect(metadata).toMatchObject({
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      jwks_uri: `${issuer}/jwks`,
      token_endpoint: `${mtlsUrl}/token`,
      tls_client_certificate_bound_access_tokens: true,
      authorization_response_iss_parameter_supported: true,
      code_challenge_methods_supported: ['S256'],
      response_types_supported: ['code', 'code id_token'],
      token_endpoint_auth_methods_supported: ['tls_client_auth', 'private_key_jwt'],
    });
    const aliases = metadata.mtls_endpoint_aliases as Record<string, string>;
    for (const [name, url] of Object.entries(aliases)) expect([name, metadata[name]]).toEqual([name, url]);
    expect(aliases).not.toHaveProperty('authorization_endpoint');
    expect(JSON.stringify(metadata)).not.toMatch(/RS256|"none"|client_secret/);
  });

  it('publishes no private key', async () => {
    const { json } = await sandbox.send(`${sandbox.description.issuer}/jwks`);
    const keys = json.keys as Record<string, unknown>[];
    expect(keys.map((key) => key.alg)).toEqual(['ES256', 'PS256']);
    for (const key of keys) expect(Object.keys(key)).not.toEqual(expect.arrayContaining(['d']));
  });
});
