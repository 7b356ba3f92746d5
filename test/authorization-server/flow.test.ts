import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as oauth from 'openid-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { type CustomerAnswer, walkPages } from '../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp, type DemoTppOptions } from '../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from './running-sandbox.ts';

let sandbox: TestSandbox;
const open: DemoTpp[] = [];
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterEach(() => Promise.all(open.splice(0).map((tpp) => tpp.close())));
afterAll(() => sandbox.stop());

async function connect(name: string, options: Partial<DemoTppOptions> = {}): Promise<DemoTpp> {
  const { description } = sandbox;
  const tpp = await connectTpp({ description, tpp: tppNamed(description, name), ...options });
  open.push(tpp);
  return tpp;
}

const alice = () => ({ decision: 'allow', ...customer(0) }) as const;
const bob = () => ({ decision: 'allow', ...customer(1) }) as const;
function customer(at: number) {
  const found = sandbox.description.customers[at];
  if (found === undefined) throw new Error('no such customer');
  return found;
}

interface Pushed {
  readonly url: URL;
  readonly verifier: string;
  readonly state: string;
}

async function push(tpp: DemoTpp, parameters: Record<string, string> = {}): Promise<Pushed> {
  const verifier = oauth.randomPKCECodeVerifier();
  const state = oauth.randomState();
  const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    ...parameters,
  });
  return { url, verifier, state };
}

const walk = (url: URL, answer: CustomerAnswer) =>
  walkPages(url, { caFile: sandbox.description.caFile, answer });

const redeem = (tpp: DemoTpp, callback: URL, { verifier, state }: Pushed) =>
  oauth.authorizationCodeGrant(tpp.config, callback, { pkceCodeVerifier: verifier, expectedState: state });

describe('the whole flow with openid-client (FAPI 2.0 §5.3)', () => {
  it.each(['tls_client_auth', 'private_key_jwt'] as const)(
    'PAR, login, consent, code, token, API: %s',
    async (method) => {
      const tpp = await connect('money-one', { method });
      const pushed = await push(tpp);
      const callback = await walk(pushed.url, alice());
      expect(callback.searchParams.get('iss')).toBe(sandbox.description.issuer);
      const tokens = await redeem(tpp, callback, pushed);
      // With openid, which the token holds too (RFC 6749 §5.1).
      expect(tokens).toMatchObject({ token_type: 'bearer', scope: 'openid accounts', expires_in: 600 });
      expect(tokens.claims()?.sub).toBe('psu-6f1c2a');
      const { status, body } = await tpp.call('/accounts', tokens.access_token);
      expect(status).toBe(200);
      expect((body.accounts as { accountId: string }[]).map((one) => one.accountId)).toEqual([
        'acc-1001',
        'acc-1002',
      ]);
      expect((await tpp.call('/accounts/acc-1001/balances', tokens.access_token)).status).toBe(200);
      expect((await tpp.call('/accounts/acc-1001/transactions', tokens.access_token)).status).toBe(200);
      expect((await tpp.call('/accounts/acc-2001/balances', tokens.access_token)).status).toBe(403);
    },
  );

  it('starts with POST to the authorization endpoint too (OpenID Connect Core §3.1.2.1)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    const posted = await sandbox.send(`${sandbox.description.issuer}/authorize`, {
      method: 'POST',
      body: pushed.url.searchParams,
    });
    expect(posted.status).toBe(303);
    const next = new URL(posted.headers.get('location') ?? '', pushed.url);
    expect(next.href).toBe(pushed.url.href);
    const tokens = await redeem(tpp, await walk(next, alice()), pushed);
    expect(tokens.scope).toBe('openid accounts');
    const large = await sandbox.send(`${sandbox.description.issuer}/authorize`, {
      method: 'POST',
      body: new URLSearchParams({ client_id: 'x'.repeat(9000) }),
    });
    expect(large.status).toBe(413);
  });

  it('makes a payment with the consent for it, and not with one for accounts', async () => {
    const tpp = await connect('pay-by-bank');
    const pushed = await push(tpp, { scope: 'payments' });
    const tokens = await redeem(tpp, await walk(pushed.url, bob()), pushed);
    const payment = {
      debtorAccountId: 'acc-2001',
      creditorName: 'Corner Shop',
      creditorIban: 'GB33BUKB20201555550009',
      amount: '12.50',
      currency: 'GBP',
    };
    const made = await tpp.call('/payments', tokens.access_token, { method: 'POST', json: payment });
    expect([made.status, made.body.status]).toEqual([201, 'accepted']);
    const bad = await tpp.call('/payments', tokens.access_token, {
      method: 'POST',
      json: { ...payment, amount: '1e2' },
    });
    expect(bad.status).toBe(400);
    const read = await tpp.call('/accounts', tokens.access_token);
    expect([read.status, String(read.body.error_description)]).toEqual([
      403,
      expect.stringContaining('ERR_TOKEN_SCOPE'),
    ]);
  });

  it('keeps the refresh token through a renewal, and binds to the new certificate (RFC 8705 §7.1, A3, A11)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    const first = await redeem(tpp, await walk(pushed.url, alice()), pushed);
    const renewed = await connect('money-one', {
      certificate: tppNamed(sandbox.description, 'money-one').renewed,
    });
    const next = await oauth.refreshTokenGrant(renewed.config, first.refresh_token ?? '');
    expect((await renewed.call('/accounts', next.access_token)).status).toBe(200);
    expect((await tpp.call('/accounts', next.access_token)).status).toBe(401);
    expect((await renewed.call('/accounts', first.access_token)).status).toBe(401);
    // No rotation (FAPI 2.0 §5.3.2.1-9): the same refresh token goes on, for this TPP only.
    expect(next.refresh_token ?? first.refresh_token).toBe(first.refresh_token);
    const other = await connect('money-one', { certificate: tppNamed(sandbox.description, 'money-two') });
    await expect(oauth.refreshTokenGrant(other.config, first.refresh_token ?? '')).rejects.toMatchObject({
      status: 400,
    });
    const thief = await connect('money-two');
    await expect(oauth.refreshTokenGrant(thief.config, first.refresh_token ?? '')).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  it('redeems a code once of many at the same time, and then kills what it gave (J1, J2)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    const callback = await walk(pushed.url, alice());
    const answers = await Promise.allSettled(Array.from({ length: 16 }, () => redeem(tpp, callback, pushed)));
    const won = answers.filter((answer) => answer.status === 'fulfilled');
    expect(won.length).toBeLessThanOrEqual(1);
    for (const lost of answers.filter((answer) => answer.status === 'rejected')) {
      expect(lost.reason).toMatchObject({ error: 'invalid_grant' });
    }
    await expect(redeem(tpp, callback, pushed)).rejects.toMatchObject({ error: 'invalid_grant' });
    for (const { value } of won) {
      await expect(oauth.refreshTokenGrant(tpp.config, value.refresh_token ?? '')).rejects.toMatchObject({
        error: 'invalid_grant',
      });
      await expect
        .poll(async () => (await tpp.call('/accounts', value.access_token)).body.error_description, {
          timeout: 8000,
          interval: 500,
        })
        .toContain('ERR_TOKEN_REVOKED');
    }
  });

  it('gives a code to its owner only, and a wrong verifier nothing (A12, J3)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    const callback = await walk(pushed.url, alice());
    const thief = await connect('money-two');
    await expect(redeem(thief, callback, pushed)).rejects.toMatchObject({ error: 'invalid_grant' });
    await expect(redeem(tpp, callback, { ...pushed, verifier: 'w'.repeat(43) })).rejects.toMatchObject({
      error: 'invalid_grant',
    });
  });

  it('uses a client assertion once of many at the same time (H13, J8)', async () => {
    const assertions: string[] = [];
    const tpp = await connect('money-one', { method: 'private_key_jwt' });
    const send = tpp.config[oauth.customFetch];
    if (send === undefined) throw new Error('no fetch');
    tpp.config[oauth.customFetch] = (url, init) => {
      assertions.push(String(init.body));
      return send(url, init);
    };
    await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
    const again = await Promise.all(
      Array.from({ length: 5 }, () =>
        sandbox.post('money-one', '/token', Object.fromEntries(new URLSearchParams(assertions[0]))),
      ),
    );
    expect(again.map((answer) => [answer.status, answer.json.error])).toEqual(
      Array(5).fill([400, 'invalid_client']),
    );
  });
});

describe('what else a TPP does with its tokens', () => {
  it('reads userinfo with a token that opens an API too, where openid was allowed (OIDC Core §5.3)', async () => {
    const tpp = await connect('money-one');
    const tokenOf = async (scope: string) => {
      const pushed = await push(tpp, { scope });
      return redeem(tpp, await walk(pushed.url, alice()), pushed);
    };
    const { access_token: token } = await tokenOf('openid accounts');
    const userinfo = (accessToken: unknown, name = 'money-one') =>
      sandbox.send(`${sandbox.description.mtlsUrl}/userinfo`, {
        certificate: tppNamed(sandbox.description, name),
        headers: { authorization: `Bearer ${String(accessToken)}` },
      });
    expect(await userinfo(token)).toMatchObject({ status: 200, json: { sub: 'psu-6f1c2a' } });
    expect((await tpp.call('/accounts', String(token))).status).toBe(200);

    const refused = [
      [await userinfo(token, 'money-two'), 401, 'invalid_token'],
      [await userinfo((await tokenOf('accounts')).access_token), 403, 'insufficient_scope'],
      [
        await userinfo((await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' })).access_token),
        403,
        'insufficient_scope',
      ],
      [await userinfo('unknown'), 401, 'invalid_token'],
    ] as const;
    for (const [answer, status, error] of refused) {
      expect(answer).toMatchObject({ status, json: { error } });
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer .*error=/);
    }
    await sandbox.post('money-one', '/revoke', { client_id: 'money-one-mtls', token: String(token) });
    expect(await userinfo(token)).toMatchObject({ status: 401, json: { error: 'invalid_token' } });
  });

  it.each(['openid', 'openid accounts'])(
    'reads userinfo with a token for %s, over its own certificate only (RFC 8705 §3)',
    async (scope) => {
      const tpp = await connect('money-one');
      const pushed = await push(tpp, { scope });
      const tokens = await redeem(tpp, await walk(pushed.url, alice()), pushed);
      const userinfo = (name: string) =>
        sandbox.send(`${sandbox.description.mtlsUrl}/userinfo`, {
          certificate: tppNamed(sandbox.description, name),
          headers: { authorization: `Bearer ${tokens.access_token}` },
        });
      expect((await userinfo('money-one')).json).toEqual({ sub: 'psu-6f1c2a' });
      const refused = await userinfo('money-two');
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringMatching(/^Bearer error="invalid_token", error_description="ERR_TOKEN_BINDING/),
      ]);
      // A token for openid alone names no audience of the APIs.
      const isForApis = scope !== 'openid';
      expect((await tpp.call('/accounts', tokens.access_token)).status).toBe(isForApis ? 200 : 401);
      const refreshed = await oauth.refreshTokenGrant(tpp.config, tokens.refresh_token ?? '');
      expect(refreshed.scope).toBe(scope);
    },
  );

  it('introspects and revokes its own tokens only (L1, L8)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    const { refresh_token: token = '' } = await redeem(tpp, await walk(pushed.url, alice()), pushed);
    const ask = (name: string, path: string) =>
      sandbox.post(name, path, { client_id: `${name}-mtls`, token });
    expect((await ask('money-one', '/introspect')).json).toMatchObject({
      active: true,
      client_id: 'money-one-mtls',
    });
    expect((await ask('money-two', '/introspect')).json).toEqual({ active: false });
    expect((await ask('money-two', '/revoke')).status).toBe(200);
    expect((await ask('money-one', '/introspect')).json.active).toBe(true);
    expect((await ask('money-one', '/revoke')).status).toBe(200);
    expect((await ask('money-one', '/introspect')).json).toEqual({ active: false });
  });

  it('leaves none of them in the store (J10)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    const callback = await walk(pushed.url, alice());
    const tokens = await redeem(tpp, callback, pushed);
    const requestUri = pushed.url.searchParams.get('request_uri') ?? '';
    const secrets = [
      tokens.access_token,
      tokens.refresh_token,
      callback.searchParams.get('code'),
      requestUri.split(':').at(-1),
    ];
    const files = ['tallystick.sqlite', 'tallystick.sqlite-wal', 'tallystick.log'];
    const bytes = Buffer.concat(await Promise.all(files.map((file) => readFile(join(sandbox.folder, file)))));
    for (const own of ['psu-6f1c2a', 'acc-100']) expect(bytes.includes(own)).toBe(false);
    for (const secret of secrets) {
      expect(secret?.length).toBeGreaterThan(20);
      expect(bytes.includes(secret ?? '')).toBe(false);
    }
    expect(bytes.includes('money-one-mtls')).toBe(true);
  });
});

describe('the authorization request', () => {
  it('must be pushed (FAPI 2.0 §5.3.2.2)', async () => {
    const url = new URL(`${sandbox.description.issuer}/authorize`);
    url.search = new URLSearchParams({
      client_id: 'money-one-mtls',
      response_type: 'code',
      scope: 'openid',
      redirect_uri: DEMO_REDIRECT_URI,
    }).toString();
    const answer = await sandbox.send(url.href);
    const location = new URL(answer.headers.get('location') ?? '');
    expect(location.searchParams.get('error')).toBe('invalid_request');
    expect(location.searchParams.get('iss')).toBe(sandbox.description.issuer);
  });

  const refused: readonly [title: string, parameters: Record<string, string>, error: string][] = [
    ['without PKCE', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['with plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
    [
      'with a response that is a form (`form_post`)',
      { response_mode: 'form_post' },
      'unsupported_response_mode',
    ],
    ['for a token in the redirect', { response_type: 'token' }, 'unsupported_response_type'],
    [
      'with a redirect URI that is not registered',
      { redirect_uri: 'https://evil.example/callback' },
      'invalid_request',
    ],
    ['for a scope that its role does not cover (G1)', { scope: 'openid payments' }, 'invalid_scope'],
  ];
  it('is offered with the response modes that work', async () => {
    const { json } = await sandbox.send(`${sandbox.description.issuer}/.well-known/openid-configuration`);
    expect(json.response_modes_supported).toEqual(['query', 'fragment', 'jwt', 'query.jwt', 'fragment.jwt']);
  });

  it.each(refused)('is refused at PAR %s', async (_title, parameters, error) => {
    const form = {
      client_id: 'accounts-app-mtls',
      response_type: 'code',
      scope: 'openid accounts',
      redirect_uri: DEMO_REDIRECT_URI,
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      ...parameters,
    };
    const kept = Object.fromEntries(Object.entries(form).filter(([, value]) => value !== ''));
    const answer = await sandbox.post('accounts-app', '/par', kept);
    expect([answer.status, answer.json.error]).toEqual([400, error]);
    expect(answer.json.error_description).toMatch(/^ERR_/);
  });

  it('of another client is refused on a page, with no redirect (I2)', async () => {
    const pushed = await push(await connect('money-one'));
    pushed.url.searchParams.set('client_id', 'money-two-mtls');
    const answer = await sandbox.send(pushed.url.href, { headers: { accept: 'text/html' } });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('The request could not be processed.');
  });

  it('is used up when its flow has ended, in every tab (I2)', async () => {
    const tpp = await connect('money-one');
    const pushed = await push(tpp);
    await walk(pushed.url, alice());
    await expect(walk(pushed.url, alice())).rejects.toThrow('400');
  });
});

describe('the pages', () => {
  it('cancel gives access_denied, at the login and after it', async () => {
    const tpp = await connect('money-one');
    for (const answer of [{ decision: 'cancel' } as const]) {
      const pushed = await push(tpp);
      const callback = await walk(pushed.url, answer);
      expect(Object.fromEntries(callback.searchParams)).toMatchObject({
        error: 'access_denied',
        state: pushed.state,
        iss: sandbox.description.issuer,
      });
    }
  });

  it('have no script, a strict policy, and are not framed or cached (K8, K10, K15)', async () => {
    const pushed = await push(await connect('money-one'));
    const page = await loginPage(pushed.url);
    expect(page.answer.text).not.toMatch(/<script|onclick|style=/);
    expect(page.answer.headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
    );
    // A TPP's popup keeps its opener.
    expect(page.answer.headers.get('cross-origin-opener-policy')).toBe('unsafe-none');
    expect(page.answer.headers.get('x-frame-options')).toBe('DENY');
    expect(page.answer.headers.get('referrer-policy')).toBe('same-origin');
    expect(page.answer.headers.get('cache-control')).toBe('no-store');
    for (const cookie of page.cookies) expect(cookie).toMatch(/; secure; httponly|; httponly/i);
  });

  it('refuse a form that another site sent, or that was made for another step (K7)', async () => {
    const page = await loginPage((await push(await connect('money-one'))).url);
    const body = (csrf: string) => new URLSearchParams({ action: 'cancel', csrf });
    const headers = { cookie: page.cookie, accept: 'text/html' };
    const foreign = await sandbox.send(page.url, {
      method: 'POST',
      headers: { ...headers, origin: 'https://evil.example' },
      body: body(page.csrf),
    });
    const forged = await sandbox.send(page.url, { method: 'POST', headers, body: body('x'.repeat(43)) });
    const without = await sandbox.send(page.url, {
      method: 'POST',
      headers: { accept: 'text/html' },
      body: body(page.csrf),
    });
    const huge = await sandbox.send(page.url, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ csrf: page.csrf, action: 'cancel', username: 'x'.repeat(200_000) }),
    });
    for (const answer of [foreign, forged, without, huge]) {
      expect(answer.status).toBe(400);
      expect(answer.text).toContain('The request could not be processed.');
      expect(answer.text).toContain(answer.headers.get('x-request-id'));
    }
    const own = await sandbox.send(page.url, { method: 'POST', headers, body: body(page.csrf) });
    expect([own.status, own.text]).toEqual([
      200,
      expect.stringContaining('http-equiv="refresh" content="0; url='),
    ]);
  });

  it('say the same for a wrong password and an unknown name, and block the name after five (K5, K6)', async () => {
    const tpp = await connect('money-one');
    const attempts = async (username: string, passwords: readonly string[]) => {
      const page = await loginPage((await push(tpp)).url);
      return Promise.all(
        passwords.map((password) =>
          sandbox.send(page.url, {
            method: 'POST',
            headers: { cookie: page.cookie, accept: 'text/html' },
            body: new URLSearchParams({ action: 'login', csrf: page.csrf, username, password }),
          }),
        ),
      );
    };
    const problemOf = (text: string) => /id="problem">([^<]+)</.exec(text)?.[1];
    const { username, password } = customer(1);
    const unknown = await attempts('mallory', ['guess', 'guess']);
    const known = await attempts(username, ['guess', 'guess', 'guess', 'guess']);
    const answers = [...unknown, ...known].map((answer) => [answer.status, problemOf(answer.text)].join());
    expect(new Set(answers)).toEqual(
      new Set([expect.stringContaining('422,That customer name and password')]),
    );
    await attempts(username, ['guess']);
    const [right] = await attempts(username, [password]);
    expect([right?.status, problemOf(right?.text ?? '')]).toEqual([422, expect.stringContaining('too many')]);
    expect(await sandbox.events({ event: 'psu.login.blocked' })).not.toEqual([]);
  });

  it('are followed by scopes that are cut when the TPP loses a role (G2, G4)', async () => {
    const tpp = await connect('money-two');
    const pushed = await push(tpp, { scope: 'accounts payments' });
    const tokens = await redeem(tpp, await walk(pushed.url, alice()), pushed);
    expect(tokens.scope).toBe('accounts payments');
    const registry = join(sandbox.folder, 'registry.yaml');
    const before = await readFile(registry, 'utf8');
    const number = tppNamed(sandbox.description, 'money-two').organizationIdentifier;
    const roles = () => [...(sandbox.server.registry.find(number)?.roles ?? [])].sort();
    await writeFile(registry, before.replace(new RegExp(`(${number}[\\s\\S]*?)      - PSP_PI\n`), '$1'));
    await expect.poll(roles, { timeout: 8000 }).toEqual(['PSP_AI', 'PSP_IC']);
    expect((await oauth.refreshTokenGrant(tpp.config, tokens.refresh_token ?? '')).scope).toBe('accounts');
    await writeFile(registry, before);
    await expect.poll(roles, { timeout: 8000 }).toHaveLength(3);
    expect((await oauth.refreshTokenGrant(tpp.config, tokens.refresh_token ?? '')).scope).toBe(
      'accounts payments',
    );
  });

  it('stop when the TPP loses its authorization between PAR and the browser (I17)', async () => {
    const pushed = await push(await connect('money-two'));
    const registry = join(sandbox.folder, 'registry.yaml');
    const before = await readFile(registry, 'utf8');
    const number = tppNamed(sandbox.description, 'money-two').organizationIdentifier;
    await writeFile(registry, before.replace(new RegExp(`(${number}[^]*?status: )active`), '$1suspended'));
    try {
      await expect
        .poll(() => sandbox.server.registry.find(number)?.status, { timeout: 5000 })
        .toBe('suspended');
      const answer = await sandbox.send(pushed.url.href);
      const location = new URL(answer.headers.get('location') ?? '');
      expect(location.searchParams.get('error_description')).toContain('ERR_TPP_NOT_AUTHORIZED');
      expect(
        (
          await sandbox.post('money-two', '/token', {
            grant_type: 'client_credentials',
            client_id: 'money-two-mtls',
          })
        ).status,
      ).toBe(400);
    } finally {
      await writeFile(registry, before);
    }
    await expect.poll(() => sandbox.server.registry.find(number)?.status, { timeout: 5000 }).toBe('active');
  });
});

async function loginPage(start: URL) {
  const first = await sandbox.send(start.href, { headers: { accept: 'text/html' } });
  const cookies = first.headers.getSetCookie();
  const cookie = cookies.map((field) => field.split(';')[0]).join('; ');
  const url = new URL(first.headers.get('location') ?? '', start).href;
  const answer = await sandbox.send(url, { headers: { cookie, accept: 'text/html' } });
  return { url, cookie, cookies, answer, csrf: /name="csrf" value="([^"]+)"/.exec(answer.text)?.[1] ?? '' };
}
