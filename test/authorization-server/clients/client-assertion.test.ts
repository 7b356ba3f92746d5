import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { CompactSign, generateKeyPair, importJWK, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

let sandbox: TestSandbox;
let jwk: JWK;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  jwk = JSON.parse(readFileSync(tppNamed(sandbox.description, 'money-one').signingKeyFile, 'utf8'));
});
afterAll(() => sandbox.stop());

interface Made {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Record<string, unknown>;
  readonly key?: CryptoKey;
}

async function assertion({ claims = {}, header = {}, key }: Made): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: 'money-one-jwt',
    sub: 'money-one-jwt',
    aud: sandbox.description.issuer,
    jti: randomUUID(),
    iat: now,
    exp: now + 60,
    ...claims,
  };
  const signing = key ?? ((await importJWK(jwk, 'ES256')) as CryptoKey);
  return new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid), ...header })
    .sign(signing);
}

const ask = (clientAssertion: string) =>
  sandbox.post('money-one', '/token', {
    grant_type: 'client_credentials',
    scope: 'accounts',
    client_id: 'money-one-jwt',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: clientAssertion,
  });

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;
const at = (path: string) => `${sandbox.description.mtlsUrl}${path}`;

describe('a client assertion that is refused', () => {
  const AUDIENCE = 'aud must be the issuer as a single string';
  it.each<[title: string, problem: string, made: () => Made]>([
    ['aud is the token endpoint', AUDIENCE, () => ({ claims: { aud: at('/token') } })],
    ['aud is another endpoint', AUDIENCE, () => ({ claims: { aud: at('/par') } })],
    ['aud is a list', AUDIENCE, () => ({ claims: { aud: [sandbox.description.issuer] } })],
    ['aud is missing', 'aud is missing', () => ({ claims: { aud: undefined } })],
    [
      'exp is a day ahead',
      'exp must be at most 300 seconds ahead',
      () => ({ claims: { exp: inSeconds(86_400) } }),
    ],
    ['exp has passed', 'exp has passed', () => ({ claims: { exp: inSeconds(-60) } })],
    ['exp is missing', 'exp is missing', () => ({ claims: { exp: undefined } })],
    ['nbf is ahead', 'nbf is in the future', () => ({ claims: { nbf: inSeconds(50) } })],
    ['iat is ahead', 'iat is more than 60 seconds', () => ({ claims: { iat: inSeconds(100) } })],
    ['jti is missing', 'jti is missing', () => ({ claims: { jti: undefined } })],
    ['jti is long', 'jti must be a string of at most 256', () => ({ claims: { jti: 'j'.repeat(257) } })],
    ['iss is another', 'iss must be the client_id', () => ({ claims: { iss: 'someone' } })],
    ['sub is missing', 'sub is missing', () => ({ claims: { sub: undefined } })],
    ['kid is of no key', 'no key that is registered', () => ({ header: { kid: 'other' } })],
    ['b64 (RFC 7797)', 'the header must not have b64', () => ({ header: { b64: false } })],
    ['critical extension', 'the header must not have crit', () => ({ header: { crit: ['b64'], b64: true } })],
  ])('%s', async (_title, problem, made) => {
    const { status, json } = await ask(await assertion(made()));
    expect([status, json.error]).toEqual([400, 'invalid_client']);
    expect(json.error_description).toMatch(/^ERR_CLIENT_ASSERTION: /);
    expect(json.error_description).toContain(problem);
  });

  it('is signed with another key', async () => {
    const { privateKey: key } = await generateKeyPair('ES256');
    const { json } = await ask(await assertion({ key }));
    expect(json.error_description).toContain('the signature does not verify');
  });

  it('is signed with an algorithm that FAPI 2.0 does not have', async () => {
    const { privateKey: key } = await generateKeyPair('RS256');
    const { json } = await ask(await assertion({ key, header: { alg: 'RS256' } }));
    expect(json.error_description).toContain('alg must be one of PS256, ES256, EdDSA');
  });

  it('is no JWT', async () => {
    const { status, json } = await ask('junk');
    expect([status, json.error]).toEqual([400, 'invalid_request']);
    expect(json.error_description).toContain('invalid client_assertion format');
  });

  it('was used before', async () => {
    const used = await assertion({});
    expect((await ask(used)).status).toBe(200);
    expect((await ask(used)).json.error_description).toContain('jti has been used before');
  });
});
