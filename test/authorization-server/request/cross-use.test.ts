import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

let sandbox: TestSandbox;
let tpp: DemoTpp;
/** The forms of every request to the token endpoint. */
const forms: URLSearchParams[] = [];
let tokens: Readonly<Record<'access token' | 'id token' | 'refresh token' | 'client assertion', string>>;

beforeAll(async () => {
  sandbox = await startTestSandbox();
  const { description } = sandbox;
  tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one'), method: 'private_key_jwt' });
  const send = tpp.config[oauth.customFetch];
  if (send === undefined) throw new Error('no fetch');
  tpp.config[oauth.customFetch] = (url, init) => {
    if (url.endsWith('/token')) forms.push(new URLSearchParams(String(init.body)));
    return send(url, init);
  };
  const verifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  });
  const [customer] = description.customers;
  if (customer === undefined) throw new Error('no customer');
  const callback = await walkPages(url, {
    caFile: description.caFile,
    answer: { decision: 'allow', ...customer },
  });
  const answer = await oauth.authorizationCodeGrant(tpp.config, callback, {
    pkceCodeVerifier: verifier,
    expectedState: state,
  });
  tokens = {
    'access token': answer.access_token,
    'id token': answer.id_token ?? '',
    'refresh token': answer.refresh_token ?? '',
    'client assertion': forms.at(-1)?.get('client_assertion') ?? '',
  };
});
afterAll(async () => {
  await tpp.close();
  await sandbox.stop();
});

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const assertionWith = (assertion: string) =>
  sandbox.post('money-one', '/token', {
    grant_type: 'client_credentials',
    scope: 'accounts',
    client_id: 'money-one-jwt',
    client_assertion_type: JWT_BEARER,
    client_assertion: assertion,
  });

describe('what is signed or given for one use is refused for every other (H15, RFC 8725 §3.11)', () => {
  it.each(['id token', 'refresh token', 'client assertion'] as const)('%s as access token', async (kind) => {
    expect((await tpp.call('/accounts', tokens['access token'])).status).toBe(200);
    expect(tokens[kind]).not.toBe('');
    expect(await tpp.call('/accounts', tokens[kind])).toMatchObject({
      status: 401,
      body: { error: 'invalid_token' },
    });
  });

  it.each(['access token', 'id token', 'refresh token'] as const)('%s as client assertion', async (kind) => {
    const { status, json } = await assertionWith(tokens[kind]);
    expect([status, json.error]).toEqual([400, 'invalid_request']);
  });

  it.each(['access token', 'id token', 'client assertion'] as const)('%s as refresh token', async (kind) => {
    await expect(oauth.refreshTokenGrant(tpp.config, tokens[kind])).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });
});

describe('a client assertion that was used', () => {
  it('is used in any other spelling of its bytes (H17)', async () => {
    const [header = '', payload = '', signature = ''] = tokens['client assertion'].split('.');
    // 64 octets leave four bits of the last letter unused.
    const spare = { A: 'B', Q: 'R', g: 'h', w: 'x' }[signature.at(-1) ?? ''];
    expect(Buffer.from(`${signature.slice(0, -1)}${spare}`, 'base64url')).toEqual(
      Buffer.from(signature, 'base64url'),
    );
    for (const spelling of [
      `${header}.${payload}.${signature}`,
      `${header}.${payload}.${signature}==`,
      `${header}.${payload}.${signature.slice(0, -1)}${spare}`,
      `${header}.${payload}. ${signature}`,
      `${header}.${payload}.${signature}\n`,
    ]) {
      expect(await assertionWith(spelling)).toMatchObject({ status: 400, json: { error: 'invalid_client' } });
    }
  });
});
