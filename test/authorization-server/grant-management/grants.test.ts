import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize } from '../../../src/sandbox/demo/authorization-request.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const ALICE = { decision: 'allow', username: 'alice', password: 'alice-in-the-sandbox' } as const;

let sandbox: TestSandbox;
let tpp: DemoTpp;
let other: DemoTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (own) => ({ ...own, grantManagement: { enabled: true } }),
  });
  [tpp, other] = await Promise.all([connect('money-one'), connect('money-two')]);
});
afterAll(async () => {
  await Promise.all([tpp?.close(), other?.close()]);
  await sandbox?.stop();
});

function connect(name: string): Promise<DemoTpp> {
  const { description } = sandbox;
  return connectTpp({ description, tpp: tppNamed(description, name) });
}

/** The tokens of a customer's consent. */
async function granted(parameters: Readonly<Record<string, string>> = {}) {
  const { caFile } = sandbox.description;
  const { redeem } = await authorize(tpp, { caFile, answer: ALICE, parameters });
  const tokens = await redeem();
  return { ...tokens, grant_id: String(tokens.grant_id) };
}

const tokenOf = async (scope: string, of = tpp) =>
  (await oauth.clientCredentialsGrant(of.config, { scope })).access_token;

const send = (
  method: string,
  path: string,
  { token, by = 'money-one' }: { readonly token?: string; readonly by?: string },
) =>
  sandbox.send(`${sandbox.description.mtlsUrl}${path}`, {
    method,
    certificate: tppNamed(sandbox.description, by),
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });

describe('the grant management endpoint (Grant Management for OAuth 2.0 §6, §7)', () => {
  it('is told by discovery, also as an mTLS alias', async () => {
    const metadata = tpp.config.serverMetadata();
    const endpoint = `${sandbox.description.mtlsUrl}/grants`;
    expect(metadata).toMatchObject({
      grant_management_endpoint: endpoint,
      grant_management_actions_supported: ['query', 'revoke', 'create', 'merge', 'replace'],
      grant_management_action_required: false,
      mtls_endpoint_aliases: { grant_management_endpoint: endpoint },
    });
    expect(metadata.scopes_supported).toContain('grant_management_query');
  });

  it('answers with scopes, resources, claims, details and times, and shows no token', async () => {
    const tokens = await granted({
      claims: JSON.stringify({ id_token: { name: null } }),
      grant_management_action: 'create',
    });
    const answer = await send('GET', `/grants/${tokens.grant_id}`, {
      token: await tokenOf('grant_management_query'),
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.json).toMatchObject({
      scopes: [{ scope: 'accounts', resource: [sandbox.description.resourceUrl] }, { scope: 'openid' }],
      claims: ['name'],
      authorization_details: [],
      created_at: expect.any(Number),
      expires_at: expect.any(Number),
    });
    expect(answer.text).not.toContain(tokens.access_token);
    const again = await oauth.refreshTokenGrant(tpp.config, String(tokens.refresh_token));
    expect(again.grant_id).toBe(tokens.grant_id);
  });

  it('ends a grant: refresh at once, APIs within five seconds (K16)', async () => {
    const tokens = await granted();
    const path = `/grants/${tokens.grant_id}`;
    const token = await tokenOf('grant_management_revoke grant_management_query');
    expect((await tpp.call('/accounts', tokens.access_token)).status).toBe(200);
    expect((await send('DELETE', path, { token })).status).toBe(204);
    await expect(oauth.refreshTokenGrant(tpp.config, String(tokens.refresh_token))).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    await expect
      .poll(async () => (await tpp.call('/accounts', tokens.access_token)).status, {
        timeout: 5000,
      })
      .toBe(401);
    expect((await send('DELETE', path, { token })).status).toBe(404);
    expect((await send('GET', path, { token })).status).toBe(404);
    const [event] = await sandbox.events({ event: 'grant.revoked', consentId: tokens.grant_id });
    expect(event).toMatchObject({ clientId: tpp.config.clientMetadata().client_id });
  });

  it('answers about the grant of another client as about none (K1)', async () => {
    const { grant_id: grantId, access_token: accessToken } = await granted();
    const token = await tokenOf('grant_management_query grant_management_revoke', other);
    const answers = await Promise.all(
      [grantId, `${grantId.slice(0, -1)}_`].flatMap((id) =>
        ['GET', 'DELETE'].map((method) => send(method, `/grants/${id}`, { token, by: 'money-two' })),
      ),
    );
    const seen = answers.map(({ status, json }) => JSON.stringify([status, json]));
    expect(new Set(seen).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 404, json: { error: 'invalid_request' } });
    expect((await tpp.call('/accounts', accessToken)).status).toBe(200);
  });

  it.each([
    ['no token', async () => ({}), 401, ''],
    [
      'a token of another sender',
      async () => ({ token: await tokenOf('grant_management_query', other) }),
      401,
      'invalid_token',
    ],
    ['a token for accounts', async () => ({ token: await tokenOf('accounts') }), 403, 'insufficient_scope'],
    [
      'a token that only reads',
      async () => ({ token: await tokenOf('grant_management_query') }),
      403,
      'insufficient_scope',
    ],
    [
      'the token of a customer',
      async () => ({ token: (await granted()).access_token }),
      403,
      'insufficient_scope',
    ],
    ['no token of ours', async () => ({ token: 'a.b.c' }), 401, 'invalid_token'],
  ] as const)('refuses %s', async (title, made, status, error) => {
    const grantId = 'of-whomever';
    const method = title === 'a token of another sender' ? 'GET' : 'DELETE';
    const answer = await send(method, `/grants/${grantId}`, await made());
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      status,
      expect.stringContaining(error === '' ? 'Bearer' : `error="${error}"`),
    ]);
  });

  it.each([
    ['/grants', 404],
    ['/grants/', 404],
    ['/grants/a/b', 404],
    ['/grants/%2e%2e%2ftoken', 404],
    [`/grants/${'x'.repeat(129)}`, 404],
    ['/grants/%00', 404],
  ])('has nothing at %s', async (path, status) => {
    const token = await tokenOf('grant_management_query');
    expect((await send('GET', path, { token })).status).toBe(status);
  });

  it('is a scope for a client alone: no customer is asked for it', async () => {
    await expect(
      authorize(tpp, {
        caFile: sandbox.description.caFile,
        answer: ALICE,
        parameters: { scope: 'openid grant_management_query' },
      }),
    ).rejects.toMatchObject({ error: 'invalid_scope' });
  });
});
