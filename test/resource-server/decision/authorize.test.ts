import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import type { PresentedCertificate } from '../../../src/mutual-tls/client-certificate.ts';
import { type AuthorizerOptions, createAuthorizer } from '../../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  type TestIssuer,
  type TokenChange,
} from '../issuer.ts';

let issuer: TestIssuer;
let certificate: PresentedCertificate;
beforeAll(async () => {
  issuer = await createTestIssuer();
  const { one } = await createTestCertificates();
  const der = Buffer.from(one.der);
  certificate = {
    der,
    thumbprint: createHash('sha256').update(der).digest('base64url'),
    certificate: new X509Certificate(der),
  };
});

/** The code with which a token is refused, or `allowed`. */
async function verdict(
  token: string,
  options: Partial<AuthorizerOptions> = {},
  headers?: string[],
): Promise<string> {
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    status: false,
    ...options,
  });
  return decide(authorizer, token, headers);
}

async function decide(
  authorizer: ReturnType<typeof createAuthorizer>,
  token: string,
  headers?: string[],
): Promise<string> {
  const rawHeaders = headers ?? ['Host', 'api', 'Authorization', `Bearer ${token}`];
  try {
    await authorizer.authorize(
      { method: 'GET', url: '/accounts', rawHeaders, certificate },
      { scopes: ['accounts'] },
    );
    return 'allowed';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

const seconds = NOW.getTime() / 1000;
const token = (change: TokenChange = {}) => issuer.token(certificate.thumbprint, change);
const withClaims = (claims: Record<string, unknown>) => token({ claims });

describe('authorize', () => {
  it('gives a frozen authorization', async () => {
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => NOW },
      status: false,
    });
    const rawHeaders = ['authorization', `Bearer ${await token()}`];
    const authorization = await authorizer.authorize(
      { method: 'GET', url: '/', rawHeaders, certificate },
      { scopes: [] },
    );
    expect(authorization).toMatchObject({
      clientId: 'acme',
      subject: 'psu-1',
      consentId: 'consent-1',
      scopes: ['accounts', 'payments'],
      thumbprint: certificate.thumbprint,
    });
    expect(Object.isFrozen(authorization) && Object.isFrozen(authorization.scopes)).toBe(true);
  });

  it('refuses a token that is not bound by a well-formed x5t#S256, or also by something unknown (A6)', async () => {
    const good = certificate.thumbprint;
    const confirmations: unknown[] = [
      undefined,
      null,
      [],
      'x',
      1,
      {},
      [{ 'x5t#S256': good }],
      { 'x5t#S256': null },
      { 'x5t#S256': [good] },
      { 'x5t#S256': '' },
      { 'x5t#S256': `${good}=` },
      { 'x5t#S256': good.slice(0, -1) },
      { 'x5t#S256': `${good}A` },
      { 'x5t#S256': ` ${good}` },
      { 'x5t#S256': Buffer.from(good, 'base64url').toString('hex') },
      { 'x5t#S256': `${good.slice(0, -1)}B` },
      { x5t: good },
      { 'x5t#s256': good },
      { jkt: good },
      { 'x5t#S256': good, jkt: good.slice(1) },
      { 'x5t#S256': good, jkt: good, kid: 'one' },
      { 'x5t#S256': good, kid: 'one' },
    ];
    const codes = await Promise.all(confirmations.map(async (cnf) => verdict(await withClaims({ cnf }))));
    expect(codes).toEqual(confirmations.map(() => 'ERR_TOKEN_UNBOUND'));
    expect(
      await verdict(
        await withClaims({ cnf: { 'x5t#S256': good.replace(/^./, good.startsWith('A') ? 'B' : 'A') } }),
      ),
    ).toBe('ERR_TOKEN_BINDING');
  });

  const claims: readonly [title: string, claims: Record<string, unknown>, code: string][] = [
    ['of another issuer (A15)', { iss: 'https://evil.example' }, 'ERR_TOKEN_INVALID'],
    ['for another API (L3)', { aud: 'https://other.bank.example' }, 'ERR_TOKEN_INVALID'],
    ['for several APIs', { aud: [AUDIENCE, 'https://other.bank.example'] }, 'ERR_TOKEN_INVALID'],
    ['that has expired', { exp: seconds }, 'ERR_TOKEN_EXPIRED'],
    ['without exp', { exp: undefined }, 'ERR_TOKEN_INVALID'],
    ['of the future (L11)', { iat: seconds + 60 }, 'ERR_TOKEN_INVALID'],
    ['that is not valid yet', { nbf: seconds + 60 }, 'ERR_TOKEN_INVALID'],
    ['without a client', { client_id: undefined }, 'ERR_TOKEN_INVALID'],
    ['with a scope that is no string', { scope: ['accounts'] }, 'ERR_TOKEN_INVALID'],
    ['without the scope', { scope: 'payments accountsx' }, 'ERR_TOKEN_SCOPE'],
    ['of a server whose clock runs a little ahead', { iat: seconds + 8, nbf: seconds + 8 }, 'allowed'],
  ];
  it.each(claims)('judges a token %s', async (_title, change, code) => {
    expect(await verdict(await withClaims(change))).toBe(code);
  });

  it("believes only the issuer's keys and the type at+jwt (L9, RFC 8725 §3)", async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const secret = new TextEncoder().encode(JSON.stringify(issuer.jwks.keys[0]));
    const [header = '', payload = ''] = (await token()).split('.');
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`;
    const zeros = `${header}.${payload}.${Buffer.alloc(64).toString('base64url')}`;
    const tokens = [
      await token({ key: other }),
      await token({ key: rsa, header: { alg: 'RS256' } }),
      await token({ key: secret, header: { alg: 'HS256' } }),
      await token({ header: { typ: 'JWT' } }),
      await token({ header: { kid: '../../etc/passwd' } }),
      await token({ key: other, header: { jku: 'https://evil.example/jwks', kid: 'evil' } }),
      none,
      zeros,
      `${header}.${payload}`,
      'opaque',
    ];
    expect(await Promise.all(tokens.map((one) => verdict(one)))).toEqual(
      tokens.map(() => 'ERR_TOKEN_INVALID'),
    );
  });

  it('takes exactly one Authorization field, with one token (L4)', async () => {
    const one = await token();
    expect(await verdict(one, {}, ['Authorization', `Bearer ${one}`, 'authorization', `Bearer ${one}`])).toBe(
      'ERR_TOKEN_REQUEST',
    );
    expect(await verdict(one, {}, ['Authorization', `Bearer ${one} ${one}`])).toBe('ERR_TOKEN_REQUEST');
    expect(await verdict(one, {}, ['Authorization', `Bearer ${one}, Bearer ${one}`])).toBe(
      'ERR_TOKEN_REQUEST',
    );
    expect(await verdict(one, {}, ['Authorization', 'Bearer '])).toBe('ERR_TOKEN_REQUEST');
    expect(await verdict(one, {}, ['Authorization', `Bearer ${'a'.repeat(9000)}`])).toBe('ERR_TOKEN_REQUEST');
    expect(await verdict(one, {}, ['Authorization', 'Basic abc'])).toBe('ERR_TOKEN_MISSING');
    expect(await verdict(one, {}, [])).toBe('ERR_TOKEN_MISSING');
  });

  it('judges life and binding of a remembered token again (A13)', async () => {
    let now = NOW;
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => now },
      status: false,
    });
    const one = await token();
    expect(await decide(authorizer, one)).toBe('allowed');
    now = new Date(NOW.getTime() + 600_000);
    expect(await decide(authorizer, one)).toBe('ERR_TOKEN_EXPIRED');
  });

  it('cannot be made with options that do not work (A8)', () => {
    const options = { issuer: ISSUER, audience: AUDIENCE, jwks: issuer.jwks };
    expect(() => createAuthorizer({ ...options, issuer: 'http://as.bank.example' })).toThrow(TypeError);
    expect(() => createAuthorizer({ ...options, audience: '' })).toThrow(TypeError);
    const facts = { method: 'GET', url: '/', rawHeaders: [] };
    // @ts-expect-error a request without the certificate fact is no request
    expect(() => createAuthorizer(options).authorize(facts, { scopes: [] })).toBeTypeOf('function');
  });
});

describe("the issuer's keys", () => {
  it('are read again for an unknown kid, but not more than once in 30 seconds (L10)', async () => {
    let now = NOW;
    let fetches = 0;
    let keys = issuer.jwks;
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      clock: { now: () => now },
      status: false,
      fetchDocument: async () => {
        fetches += 1;
        return Buffer.from(JSON.stringify(keys));
      },
    });
    expect(await decide(authorizer, await token())).toBe('allowed');
    for (let flood = 0; flood < 50; flood += 1)
      await decide(authorizer, await token({ header: { kid: `k${flood}` } }));
    expect(fetches).toBe(1);
    const next = await createTestIssuer('two');
    keys = { keys: [...issuer.jwks.keys, ...next.jwks.keys] };
    now = new Date(NOW.getTime() + 31_000);
    expect(await decide(authorizer, await next.token(certificate.thumbprint))).toBe('allowed');
    expect(fetches).toBe(2);
    keys = next.jwks;
    now = new Date(NOW.getTime() + 340_000);
    expect(await decide(authorizer, await token({ claims: { jti: 'new' } }))).toBe('ERR_TOKEN_INVALID');
  });

  it('that cannot be had are a 503 of their own, and the last good ones go on', async () => {
    let now = NOW;
    let isDown = true;
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      clock: { now: () => now },
      status: false,
      fetchDocument: async () => {
        if (isDown) throw new Error('down');
        return Buffer.from(JSON.stringify(issuer.jwks));
      },
    });
    expect(await decide(authorizer, await token())).toBe('ERR_TOKEN_KEYS_UNAVAILABLE');
    isDown = false;
    expect(await decide(authorizer, await token())).toBe('ERR_TOKEN_KEYS_UNAVAILABLE');
    now = new Date(NOW.getTime() + 1000);
    expect(await decide(authorizer, await token())).toBe('allowed');
    isDown = true;
    now = new Date(NOW.getTime() + 400_000);
    expect(await decide(authorizer, await token({ claims: { jti: 'new' } }))).toBe('allowed');
  });
});

describe('the token status list', () => {
  function withLists(answer: () => Promise<string>, options: Partial<AuthorizerOptions> = {}) {
    const state = { now: NOW, fetches: 0 };
    const authorizer = createAuthorizer({
      issuer: ISSUER,
      audience: AUDIENCE,
      jwks: issuer.jwks,
      clock: { now: () => state.now },
      fetchDocument: async () => {
        state.fetches += 1;
        return Buffer.from(await answer());
      },
      ...options,
    });
    return { state, authorizer };
  }

  it('kills a revoked token within its age, with one request for all (L2)', async () => {
    let revoked: number[] = [];
    const { state, authorizer } = withLists(() => issuer.statusList(revoked));
    const one = await token();
    expect(await Promise.all(Array.from({ length: 20 }, () => decide(authorizer, one)))).toEqual(
      Array(20).fill('allowed'),
    );
    expect(state.fetches).toBe(1);
    revoked = [7];
    expect(await decide(authorizer, one)).toBe('allowed');
    state.now = new Date(NOW.getTime() + 4000);
    expect(await decide(authorizer, one)).toBe('ERR_TOKEN_REVOKED');
    expect(
      await decide(
        authorizer,
        await withClaims({ status: { status_list: { idx: 8, uri: `${ISSUER}/status-lists/0` } } }),
      ),
    ).toBe('allowed');
    expect(state.fetches).toBe(2);
  });

  it('that cannot be had anew is refused, or tolerated by policy while it is signed as valid (L7)', async () => {
    for (const [whenUnavailable, soon, late] of [
      ['refuse', 'ERR_TOKEN_STATUS_UNAVAILABLE', 'ERR_TOKEN_STATUS_UNAVAILABLE'],
      ['tolerate', 'allowed', 'ERR_TOKEN_STATUS_UNAVAILABLE'],
    ] as const) {
      let isDown = false;
      const { state, authorizer } = withLists(
        () => (isDown ? Promise.reject(new Error('down')) : issuer.statusList([])),
        { status: { whenUnavailable } },
      );
      const one = await token();
      expect(await decide(authorizer, one)).toBe('allowed');
      isDown = true;
      state.now = new Date(NOW.getTime() + 10_000);
      expect(await decide(authorizer, one)).toBe(soon);
      state.now = new Date(NOW.getTime() + 90_000);
      expect(await decide(authorizer, one)).toBe(late);
      isDown = false;
    }
  });

  it('is believed only when it is signed for its own address and small enough', async () => {
    const bomb = {
      status_list: {
        bits: 1,
        lst: (await import('node:zlib')).deflateSync(Buffer.alloc(4_000_000)).toString('base64url'),
      },
    };
    const lists = [
      () => issuer.statusList([], { sub: `${ISSUER}/status-lists/1` }),
      () => issuer.statusList([], { iss: 'https://evil.example' }),
      () => issuer.statusList([], { exp: seconds - 60 }),
      () => issuer.statusList([], { status_list: { bits: 2, lst: 'eJw' } }),
      () => issuer.statusList([], { status_list: 'x' }),
      () => issuer.statusList([], bomb),
      async () => (await createTestIssuer('two')).statusList([]),
      async () => 'junk',
    ];
    for (const list of lists) {
      expect(await decide(withLists(list).authorizer, await token())).toBe('ERR_TOKEN_STATUS_UNAVAILABLE');
    }
  });

  it('must be named by the token, at the issuer, within the list', async () => {
    const { state, authorizer } = withLists(() => issuer.statusList([]));
    const statuses = [
      undefined,
      { status_list: { idx: 7, uri: 'https://evil.example/status-lists/0' } },
      { status_list: { idx: 999_999, uri: `${ISSUER}/status-lists/0` } },
      { status_list: { idx: -1, uri: `${ISSUER}/status-lists/0` } },
      { status_list: { idx: '7', uri: `${ISSUER}/status-lists/0` } },
      'x',
    ];
    for (const status of statuses)
      expect(await decide(authorizer, await withClaims({ status }))).toBe('ERR_TOKEN_INVALID');
    expect(state.fetches).toBe(1);
  });
});

describe('importing the package', () => {
  it('loads neither koa, oidc-provider, ioredis nor an ASN.1 library', () => {
    const entry = fileURLToPath(new URL('../../../src/resource-server/index.ts', import.meta.url));
    const loaded = (extra: string) => {
      const script = `
        import { registerHooks } from 'node:module';
        const seen = [];
        registerHooks({ load(url, context, next) { seen.push(url); return next(url, context); } });
        await import(${JSON.stringify(entry)}); ${extra}
        process.stdout.write(JSON.stringify(seen));`;
      const run = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      });
      return JSON.parse(run.stdout) as string[];
    };
    const unwanted = /node_modules\/(koa|oidc-provider|ioredis|@peculiar|asn1js|reflect-metadata)\//;
    expect(loaded('').filter((url) => unwanted.test(url))).toEqual([]);
    expect(loaded("await import('koa');").some((url) => unwanted.test(url))).toBe(true);
  });
});
