import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CompactSign, importJWK, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const TPP = 'money-one';
const SIGNING = 'money-one-jwt-signing';
const FAPI1 = 'money-one-jwt-fapi1';
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let sandbox: TestSandbox;
let jwk: JWK;
let key: CryptoKey;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  jwk = JSON.parse(readFileSync(tppNamed(sandbox.description, TPP).signingKeyFile, 'utf8'));
  key = (await importJWK(jwk, 'ES256')) as CryptoKey;
});
afterAll(() => sandbox.stop());

type Members = Readonly<Record<string, unknown>>;
const now = () => Math.floor(Date.now() / 1000);

function signed(claims: Members, header: Members = {}): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid), ...header })
    .sign(key);
}

const assertion = (client: string, aud: unknown = sandbox.description.issuer) =>
  signed({ iss: client, sub: client, aud, jti: randomUUID(), iat: now(), exp: now() + 60 });

const requestClaims = (client: string): Members => ({
  iss: client,
  aud: sandbox.description.issuer,
  nbf: now(),
  exp: now() + 300,
  client_id: client,
  response_type: 'code',
  response_mode: 'jwt',
  redirect_uri: DEMO_REDIRECT_URI,
  scope: 'openid accounts',
  nonce: 'the-nonce',
  state: 'the-state',
  code_challenge: createHash('sha256').update('v'.repeat(43)).digest('base64url'),
  code_challenge_method: 'S256',
});

async function push(client: string, request: string, more: Members = {}) {
  const { status, json } = await sandbox.post(TPP, '/par', {
    client_id: client,
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: await assertion(client),
    request,
    ...(more as Record<string, string>),
  });
  return { status, error: json.error, text: String(json.error_description) };
}

describe('a request object that is refused by name (RFC 9101 §6, FAPI 2.0 Message Signing §5.3)', () => {
  it.each<[title: string, says: string, claims: () => Members, header?: Members]>([
    ['exp is missing', 'exp is missing', () => ({ exp: undefined })],
    ['nbf is missing', 'nbf is missing', () => ({ nbf: undefined })],
    ['aud is missing', 'aud must be, or hold, the issuer', () => ({ aud: undefined })],
    ['another server', 'aud must be, or hold, the issuer', () => ({ aud: 'https://other.example' })],
    ['another issuer', 'iss must be the client_id', () => ({ iss: FAPI1 })],
    ['exp has passed', 'exp has passed', () => ({ nbf: now() - 120, exp: now() - 60 })],
    ['nbf is ahead', 'nbf is in the future', () => ({ nbf: now() + 60 })],
    ['nbf is too old', 'nbf must be at most 3600', () => ({ nbf: now() - 3602, exp: now() - 2 })],
    ['exp is too far', 'exp must be at most 3600 seconds after nbf', () => ({ exp: now() + 4200 })],
    ['exp is text', 'exp', () => ({ exp: String(now() + 60) })],
    ['the subject of an assertion (H15)', 'sub must not be the client_id', () => ({ sub: SIGNING })],
    ['another client', 'client_id', () => ({ client_id: FAPI1 })],
    ['no client', 'client_id', () => ({ client_id: undefined })],
    ['a request within', 'request', () => ({ request: 'x' })],
    ['a request_uri within', 'request_uri', () => ({ request_uri: 'https://tpp.example/r' })],
    ['no scope', 'scope is missing', () => ({ scope: undefined })],
    ['a long value', 'longer than 2048', () => ({ state: 's'.repeat(2049) })],
    ['critical extension (H4)', 'the header must not have', () => ({}), { crit: ['b64'], b64: true }],
    ['another type (H15)', 'typ must be oauth-authz-req+jwt', () => ({}), { typ: 'dpop+jwt' }],
    ['a key that is not registered (H3)', 'no key that is registered', () => ({}), { kid: '../k' }],
  ])('%s', async (_title, says, claims, header) => {
    const answer = await push(SIGNING, await signed({ ...requestClaims(SIGNING), ...claims() }, header));
    expect([answer.status, answer.error]).toEqual([400, 'invalid_request_object']);
    expect(answer.text).toMatch(/^ERR_REQUEST_OBJECT: /);
    expect(answer.text).toContain(says);
  });

  it('not when it is as the standards have it, in any case of its type, with a clock 8 seconds ahead', async () => {
    for (const typ of [
      'oauth-authz-req+jwt',
      'OAuth-AuthZ-Req+JWT',
      'application/oauth-authz-req+jwt',
      'JWT',
    ]) {
      const claims = { ...requestClaims(SIGNING), nbf: now() + 8, aud: [sandbox.description.issuer, 'x'] };
      expect(await push(SIGNING, await signed(claims, { typ }))).toMatchObject({ status: 201 });
    }
  });

  it('a client assertion is no request object, and a request object no assertion (H15)', async () => {
    expect(await push(SIGNING, await assertion(SIGNING))).toMatchObject({ error: 'invalid_request_object' });
    const request = await signed(requestClaims(SIGNING));
    const answer = await push(SIGNING, request, { client_assertion: request });
    expect(answer).toMatchObject({ status: 400, error: 'invalid_client' });
  });
});

describe('the audience of a client assertion for FAPI 1 (RFC 7523 §3)', () => {
  const answerTo = async (client: string, aud: unknown) => {
    const { status, json } = await sandbox.post(TPP, '/par', {
      client_id: client,
      client_assertion_type: ASSERTION_TYPE,
      client_assertion: await assertion(client, aud),
      request: await signed(requestClaims(client)),
    });
    return { status, text: String(json.error_description) };
  };
  const at = (base: 'issuer' | 'mtlsUrl', path: string) => `${sandbox.description[base]}${path}`;

  it('may be the issuer, or an endpoint by either host, also in a list', async () => {
    const { issuer } = sandbox.description;
    const endpoints = [at('mtlsUrl', '/token'), at('issuer', '/token'), at('mtlsUrl', '/par')];
    for (const aud of [issuer, ...endpoints, [issuer, 'https://other.example'], endpoints]) {
      expect([aud, (await answerTo(FAPI1, aud)).status]).toEqual([aud, 201]);
    }
  });

  it('is never another, and for FAPI 2.0 only the issuer (H13)', async () => {
    for (const aud of [
      'https://other.example',
      [],
      [at('mtlsUrl', '/introspect')],
      'https://localhost/token',
    ]) {
      const { status, text } = await answerTo(FAPI1, aud);
      expect([aud, status]).toEqual([aud, 400]);
      expect(text).toMatch(/^ERR_CLIENT_ASSERTION: /);
    }
    for (const aud of [at('mtlsUrl', '/token'), [sandbox.description.issuer]]) {
      expect((await answerTo(SIGNING, aud)).text).toContain('aud must be the issuer as a single string');
    }
  });
});

describe('a request object by value, in a POST (OpenID Connect Core §3.1.2.1)', () => {
  it('leads to the pages, by a GET', async () => {
    const url = `${sandbox.description.issuer}/authorize`;
    const claims = { ...requestClaims(FAPI1), client_id: FAPI1, iss: FAPI1 };
    const body = new URLSearchParams({ client_id: FAPI1, request: await signed(claims) });
    const posted = await sandbox.send(url, { method: 'POST', body, headers: { accept: 'text/html' } });
    expect(posted.status).toBe(303);
    const next = new URL(posted.headers.get('location') ?? '', url);
    const { headers } = await sandbox.send(next.href, { headers: { accept: 'text/html' } });
    expect(headers.get('location')).toContain('/interaction/');
  });
});
