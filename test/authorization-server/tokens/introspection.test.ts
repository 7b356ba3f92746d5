import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const SIGNED = 'application/token-introspection+jwt';

describe.each(['jwt', 'opaque'] as const)('introspection of %s tokens by resource servers', (format) => {
  let bank: TestBank;
  let server: RunningServer;
  let caller: ReturnType<typeof createCaller>;
  let endpoint: string;
  beforeAll(async () => {
    bank = await createTestBank({ format });
    const config = parseConfig(bank.config, { source: 'test', folder: bank.folder });
    server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
    caller = createCaller(bank.description);
    endpoint = `${bank.description.mtlsUrl}/introspect`;
  });
  afterAll(async () => {
    await caller.close();
    await server.close();
    await bank.remove();
  });

  const ask = (
    api: keyof TestBank['apis'],
    form: Record<string, string>,
    headers: Record<string, string> = {},
  ) => caller.send(endpoint, { certificate: bank.apis[api], form, headers });

  it('says all that an API needs about a token for it (RFC 7662 §2.2, RFC 8705 §3.2)', async () => {
    const token = await caller.clientToken('money-one');
    const answer = await ask('accounts', {
      client_id: 'accounts-api',
      token,
      token_type_hint: 'refresh_token',
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const tpp = tppNamed(bank.description, 'money-one');
    expect(answer.json).toMatchObject({
      active: true,
      iss: bank.description.issuer,
      aud: bank.description.resourceUrl,
      client_id: 'money-one-mtls',
      sub: 'money-one-mtls',
      scope: 'accounts',
      token_type: 'Bearer',
      authorization_number: tpp.organizationIdentifier,
      nca: 'GB-FCA',
      tpp_roles: [...tpp.roles].sort(),
      cnf: { 'x5t#S256': expect.stringMatching(/^[\w-]{43}$/) },
      exp: expect.any(Number),
      iat: expect.any(Number),
    });
    expect(JSON.stringify(answer.json)).not.toContain(format === 'opaque' ? token : 'no such text');
  });

  it('is signed for the API that asks when it wants it so (RFC 9701 §5)', async () => {
    const token = await caller.clientToken('money-one');
    const { text, headers } = await ask('accounts', { client_id: 'accounts-api', token }, { accept: SIGNED });
    expect(headers.get('content-type')).toBe(SIGNED);
    expect(decodeProtectedHeader(text)).toMatchObject({ typ: 'token-introspection+jwt', alg: 'ES256' });
    const keys = JSON.parse((await caller.send(`${bank.description.issuer}/jwks`)).text);
    const { payload } = await jwtVerify(text, createLocalJWKSet(keys), {
      issuer: bank.description.issuer,
      audience: 'accounts-api',
    });
    expect(Object.keys(payload).sort()).toEqual(['aud', 'iat', 'iss', 'token_introspection']);
    expect(payload.token_introspection).toMatchObject({ active: true, client_id: 'money-one-mtls' });
    const none = await ask('accounts', { client_id: 'accounts-api', token: 'x' }, { accept: SIGNED });
    const inactive = await jwtVerify(none.text, createLocalJWKSet(keys));
    expect(inactive.payload.token_introspection).toEqual({ active: false });
  });

  it('tells an API nothing about tokens for another, and nobody else anything (L1)', async () => {
    const token = await caller.clientToken('money-one');
    const inactive = { status: 200, json: { active: false } };
    expect(await ask('other', { client_id: 'other-api', token })).toMatchObject(inactive);
    expect(await ask('accounts', { client_id: 'accounts-api', token: `${token}x` })).toMatchObject(inactive);
    const refused = { status: 400, json: { error: 'invalid_client' } };
    expect(await ask('accounts', { client_id: 'other-api', token })).toMatchObject(refused);
    expect(await ask('accounts', { token })).toMatchObject(refused);
    expect(await ask('impostor', { client_id: 'accounts-api', token })).toMatchObject(refused);
    expect(await ask('stranger', { client_id: 'accounts-api', token })).toMatchObject(refused);
    expect(await caller.send(endpoint, { form: { client_id: 'accounts-api', token } })).toMatchObject(
      refused,
    );
    const tpp = tppNamed(bank.description, 'money-two');
    const asTpp = { certificate: tpp, form: { client_id: 'accounts-api', token } };
    expect((await caller.send(endpoint, asTpp)).status).toBe(400);
  });

  it('refuses what is not one token in a form', async () => {
    const form = { client_id: 'accounts-api' };
    expect(await ask('accounts', form)).toMatchObject({ status: 400, json: { error: 'invalid_request' } });
    expect((await ask('accounts', { ...form, token: '' })).status).toBe(400);
    expect((await ask('accounts', { ...form, token: 'x'.repeat(40_000) })).status).toBe(400);
    const certificate = bank.apis.accounts;
    const headers = { 'content-type': 'application/json' };
    expect((await caller.send(endpoint, { certificate, form, headers })).status).toBe(415);
  });

  it.each([
    ['8,190 slashes', '/'.repeat(8190)],
    ['12,000 letters', 'x'.repeat(12_000)],
    ['a control character', 'a\u0000b'],
    ['three empty parts', '..'],
  ])('says of %s that it is not active: a token says nothing of the API that asks', async (_title, token) => {
    const answer = await ask('accounts', { client_id: 'accounts-api', token });
    expect(answer).toMatchObject({ status: 200, json: { active: false } });
    const asTpp = {
      certificate: tppNamed(bank.description, 'money-one'),
      form: { client_id: 'money-one-mtls', token },
    };
    const introspected = await caller.send(endpoint, asTpp);
    expect(introspected).toMatchObject({ status: 200, json: { active: false } });
    expect((await caller.send(`${bank.description.mtlsUrl}/revoke`, asTpp)).status).toBe(200);
  });

  it('is all that the certificate of an API opens: no token, no push, no revocation', async () => {
    const form = {
      grant_type: 'client_credentials',
      client_id: 'accounts-api',
      scope: 'accounts',
      token: 'x',
    };
    for (const path of ['/token', '/par', '/revoke', '/userinfo']) {
      const url = `${bank.description.mtlsUrl}${path}`;
      const answer = await caller.send(url, { certificate: bank.apis.accounts, form });
      expect([path, answer.status]).toEqual([path, 400]);
    }
  });

  it('says that a token is not active once its own client has revoked it, whatever the hint (L8, RFC 7009 §2.1)', async () => {
    const token = await caller.clientToken('money-two');
    const isActive = async () => (await ask('accounts', { client_id: 'accounts-api', token })).json.active;
    expect(await isActive()).toBe(true);
    const revoke = async (tpp: string, form: Record<string, string>) => {
      const certificate = tppNamed(bank.description, tpp);
      const sent = { certificate, form: { client_id: `${tpp}-mtls`, ...form } };
      return (await caller.send(`${bank.description.mtlsUrl}/revoke`, sent)).status;
    };
    expect(await revoke('money-one', { token })).toBe(200);
    expect(await revoke('money-two', { token: 'unknown' })).toBe(200);
    expect(await isActive()).toBe(true);
    expect(await revoke('money-two', { token, token_type_hint: 'refresh_token' })).toBe(200);
    expect(await isActive()).toBe(false);
    expect(await revoke('money-two', { token })).toBe(200);
  });
});
