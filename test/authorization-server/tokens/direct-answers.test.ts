import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { authorize } from '../../../src/sandbox/demo/authorization-request.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

/*
 * The short ways of code, refresh and revocation beside the provider's own ways: the same answer, headers and events. A
 * parameter that the provider ignores makes a request take the provider's way.
 */

const ALICE = { decision: 'allow', username: 'alice', password: 'alice-in-the-sandbox' } as const;
const OWN = ['date', 'x-request-id', 'content-length'];
const NEW_EACH_TIME = ['requestId', 'time', 'consentId', 'error_id'];

let sandbox: TestSandbox;
let tpp: DemoTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (own) => ({
      ...own,
      accessToken: { format: 'opaque' },
      grantManagement: { enabled: true },
      refreshToken: { rotation: true },
    }),
  });
  const { description } = sandbox;
  tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
});
afterAll(async () => {
  await tpp?.close();
  await sandbox?.stop();
});

/** The tokens of a new consent. */
async function granted(): Promise<Readonly<Record<'access' | 'refresh', string>>> {
  const { redeem } = await authorize(tpp, { caFile: sandbox.description.caFile, answer: ALICE });
  const { access_token: access, refresh_token: refresh = '' } = await redeem();
  return { access, refresh };
}

async function outcomeOf(path: string, form: Record<string, string>, by: string) {
  const { status, headers, json, text } = await sandbox.post(by, path, form);
  const events = await sandbox.events({ requestId: headers.get('x-request-id') });
  return {
    status,
    isEmpty: text === '',
    members: Object.entries(json).map(([name, value]) =>
      ['access_token', 'refresh_token', 'id_token', 'grant_id'].includes(name) ? name : [name, value],
    ),
    headers: [...headers].filter(([name]) => !OWN.includes(name)),
    events: events.map((event) =>
      Object.fromEntries(Object.entries(event).filter(([name]) => !NEW_EACH_TIME.includes(name))),
    ),
  };
}

const clientOf = (name: string) => ({ client_id: `${name}-mtls` });
const refresh = (token: string, more: Record<string, string> = {}) => ({
  ...{ ...clientOf('money-one'), grant_type: 'refresh_token', refresh_token: token },
  ...more,
});

describe('the short way of a refresh and the way of the provider', () => {
  it.each([
    ['a live token', 'money-one', {}, 'fresh', 200],
    ['a part of its scopes', 'money-one', { scope: 'accounts' }, 'fresh', 200],
    ['a scope that it does not have', 'money-one', { scope: 'payments' }, 'fresh', 400],
    ['a token that was used before', 'money-one', {}, 'used', 400],
    ['a token whose grant has ended', 'money-one', {}, 'ended', 400],
    ['an unknown token', 'money-one', {}, 'unknown', 400],
    ["another TPP's token", 'money-two', clientOf('money-two'), 'fresh', 400],
    ["a request as another TPP's client", 'money-two', {}, 'fresh', 400],
    ['a request as nobody', 'money-one', { client_id: 'nobody' }, 'fresh', 400],
  ])('are the same: %s', async (_title, by, more, which, status) => {
    const outcomes: unknown[] = [];
    for (const way of [{}, { unknown: 'x' }]) {
      const token = which === 'unknown' ? 'unknown' : (await granted()).refresh;
      if (which === 'used')
        expect((await sandbox.post('money-one', '/token', refresh(token))).status).toBe(200);
      if (which === 'ended') await sandbox.post('money-one', '/revoke', { ...clientOf('money-one'), token });
      outcomes.push(await outcomeOf('/token', { ...refresh(token, more), ...way }, by));
      // A second use, one way or the other, ends the grant with the tokens of the first use.
      if (which === 'used') outcomes.push(await outcomeOf('/token', { ...refresh(token), ...way }, by));
    }
    expect(outcomes.slice(0, outcomes.length / 2)).toEqual(outcomes.slice(outcomes.length / 2));
    expect(outcomes[0]).toMatchObject({ status });
  });
});

const VERIFIER = 'a-verifier-of-more-than-forty-three-characters-x';

/** The form of a new code's exchange. */
async function exchangeForm(): Promise<Record<string, string>> {
  const code_challenge = createHash('sha256').update(VERIFIER).digest('base64url');
  const { caFile } = sandbox.description;
  const { callback } = await authorize(tpp, { caFile, answer: ALICE, parameters: { code_challenge } });
  const [redirect_uri = ''] = tppNamed(sandbox.description, 'money-one').clients.tls_client_auth
    .redirect_uris;
  const code = callback.searchParams.get('code') ?? '';
  return {
    ...clientOf('money-one'),
    ...{ grant_type: 'authorization_code', code, redirect_uri, code_verifier: VERIFIER },
  };
}

describe('the short way of a code and the way of the provider', () => {
  it.each([
    ['a live code', 'money-one', {}, 200],
    ['a code that was used before', 'money-one', {}, 400],
    ['another verifier', 'money-one', { code_verifier: VERIFIER.toUpperCase() }, 400],
    ['no verifier', 'money-one', { code_verifier: '' }, 400],
    ['another redirect URI', 'money-one', { redirect_uri: 'https://other.example/' }, 400],
    ['an unknown code', 'money-one', { code: 'unknown' }, 400],
    ['a scope, which has no meaning here', 'money-one', { scope: 'payments' }, 200],
    ["another TPP's code", 'money-two', clientOf('money-two'), 400],
    ["a request as another TPP's client", 'money-two', {}, 400],
    ['a client that authenticates by its key', 'money-one', { client_id: 'money-one-jwt' }, 400],
  ] as const)('are the same: %s', async (title, by, more, status) => {
    const outcomes: unknown[] = [];
    for (const way of [{}, { unknown: 'x' }]) {
      const form = { ...(await exchangeForm()), ...more };
      if (title.includes('used before')) await sandbox.post(by, '/token', form);
      outcomes.push(await outcomeOf('/token', { ...form, ...way }, by));
    }
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(outcomes[0]).toMatchObject({ status });
  });
});

describe('the short way of a revocation and the way of the provider', () => {
  it.each([
    ['an access token of a consent', 'money-one', {}, 'access', false],
    ['a refresh token', 'money-one', {}, 'refresh', false],
    ['a refresh token with its hint', 'money-one', { token_type_hint: 'refresh_token' }, 'refresh', false],
    [
      'an access token with the wrong hint',
      'money-one',
      { token_type_hint: 'refresh_token' },
      'access',
      false,
    ],
    ['an unknown token', 'money-one', {}, 'unknown', true],
    ["another TPP's token", 'money-two', clientOf('money-two'), 'access', true],
    ["a request as another TPP's client", 'money-two', {}, 'access', true],
  ] as const)('are the same: %s', async (_title, by, more, which, isLiveAfter) => {
    const outcomes: unknown[] = [];
    for (const way of [{}, { unknown: 'x' }]) {
      const tokens = which === 'unknown' ? undefined : await granted();
      const form = {
        ...clientOf('money-one'),
        token: tokens?.[which === 'unknown' ? 'access' : which] ?? 'unknown',
      };
      const { headers, status, text } = await sandbox.post(by, '/revoke', { ...form, ...more, ...way });
      const isLive =
        tokens === undefined ||
        (await sandbox.post('money-one', '/token', refresh(tokens.refresh))).status === 200;
      expect(isLive).toBe(isLiveAfter);
      outcomes.push({ status, text, headers: [...headers].filter(([name]) => !OWN.includes(name)) });
    }
    expect(outcomes[0]).toEqual(outcomes[1]);
  });
});

describe('the short way of a revocation of a token without a customer', () => {
  const tokenOf = async (name: string) => {
    const form = { ...clientOf(name), grant_type: 'client_credentials', scope: 'accounts' };
    return String((await sandbox.post(name, '/token', form)).json.access_token);
  };
  const isLive = async (name: string, token: string) =>
    (await sandbox.post(name, '/introspect', { ...clientOf(name), token })).json.active;

  it.each(['as the first one', 'after another one', 'after one of a customer'])(
    'and the way of the provider are the same: %s',
    async (title) => {
      if (title === 'after another one') await isLive('money-one', await tokenOf('money-one'));
      if (title === 'after one of a customer') await isLive('money-one', (await granted()).access);
      const outcomes: unknown[] = [];
      for (const way of [{}, { unknown: 'x' }]) {
        const token = await tokenOf('money-one');
        outcomes.push(await outcomeOf('/revoke', { ...clientOf('money-one'), token, ...way }, 'money-one'));
        expect(await isLive('money-one', token)).toBe(false);
      }
      expect(outcomes[0]).toEqual(outcomes[1]);
      expect(outcomes[0]).toMatchObject({
        ...{ status: 200, isEmpty: true },
        events: [{ event: 'token.revoked', kind: 'ClientCredentials', clientId: 'money-one-mtls' }],
      });
    },
  );

  it("leaves another TPP's token alive", async () => {
    await isLive('money-two', await tokenOf('money-two'));
    const token = await tokenOf('money-one');
    const { status, text } = await sandbox.post('money-two', '/revoke', { ...clientOf('money-two'), token });
    expect([status, text]).toEqual([200, '']);
    expect(await isLive('money-one', token)).toBe(true);
  });
});
