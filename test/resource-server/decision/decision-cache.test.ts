import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal, OpenBankingError } from '../../../src/errors.ts';
import type { PresentedCertificate } from '../../../src/mutual-tls/client-certificate.ts';
import {
  type Authorizer,
  type AuthorizerOptions,
  createAuthorizer,
  type Requirement,
} from '../../../src/resource-server/index.ts';
import { type ProvenToken, TokenCache } from '../../../src/resource-server/token/token-cache.ts';
import type { IssuedCertificate } from '../../../src/sandbox/pki/pki.ts';
import { twinOf } from '../../x509/certificate-factory.ts';
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
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
});

/** As a new connection gives it: an object of its own. */
function presented({ der: bytes }: IssuedCertificate): PresentedCertificate {
  const der = Buffer.from(bytes);
  const thumbprint = createHash('sha256').update(der).digest('base64url');
  return { der, thumbprint, certificate: new X509Certificate(der) };
}

const SECONDS = NOW.getTime() / 1000;
const NONE: Requirement = { scopes: [] };
const bearer = (token: string) => ['Host', 'api', 'Authorization', `Bearer ${token}`];

function setUp(options: Partial<AuthorizerOptions> = {}) {
  const state = { now: NOW, revoked: [] as number[], keys: issuer.jwks, fetches: 0 };
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    clock: { now: () => state.now },
    fetchDocument: async (url) => {
      state.fetches += 1;
      return Buffer.from(
        url.endsWith('/jwks') ? JSON.stringify(state.keys) : await issuer.statusList(state.revoked),
      );
    },
    ...options,
  });
  return { state, authorizer };
}

function facts(token: string, certificate: PresentedCertificate, url = '/accounts') {
  return { method: 'GET', url, rawHeaders: bearer(token), certificate };
}

async function verdict(
  authorizer: Authorizer,
  request: ReturnType<typeof facts>,
  needs = NONE,
): Promise<string> {
  try {
    await authorizer.authorize(request, needs);
    return 'allowed';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

const tokenOf = (owner: IssuedCertificate, change?: TokenChange) =>
  issuer.token(createHash('sha256').update(owner.der).digest('base64url'), change);

describe('a decision without waiting', () => {
  it('gives the very authorization that was proved before, on this connection and on the next', async () => {
    const { authorizer } = setUp();
    const [token, first, next] = [
      await tokenOf(certificates.one),
      presented(certificates.one),
      presented(certificates.one),
    ];
    expect(authorizer.authorizeNow(facts(token, first), NONE)).toBeUndefined();
    const proved = await authorizer.authorize(facts(token, first), NONE);
    expect(authorizer.authorizeNow(facts(token, first), NONE)).toBe(proved);
    expect(authorizer.authorizeNow(facts(token, next), NONE)).toBe(proved);
    expect(authorizer.authorizeNow(facts(token, next), { scopes: ['accounts'] })).toBe(proved);
  });

  it('is never a yes where the full decision says no (A1, A3, A4, A5, L4)', async () => {
    const { authorizer, state } = setUp();
    const [one, two] = [presented(certificates.one), presented(certificates.two)];
    const token = await tokenOf(certificates.one);
    const mine = facts(token, one);
    expect(await verdict(authorizer, mine)).toBe('allowed');
    const bad = [
      facts(token, two),
      facts(token, presented(certificates.renewed)),
      facts(token, presented(certificates.reissued)),
      facts(token, presented({ ...certificates.one, der: twinOf(Buffer.from(certificates.one.der)) })),
      { ...mine, certificate: undefined },
      { ...mine, rawHeaders: [...mine.rawHeaders, 'authorization', `Bearer ${token}`] },
      { ...mine, rawHeaders: ['Host', 'api'] },
      { ...mine, rawHeaders: bearer(`${token}x`) },
      { ...mine, rawHeaders: ['Authorization', `DPoP ${token}`] },
      facts(token, one, `/accounts?access_token=${token}`),
      facts(token, one, '/accounts?a=b&access%5Ftoken=x'),
    ];
    for (const request of bad) {
      expect(authorizer.authorizeNow(request, NONE)).toBeUndefined();
      await expect(authorizer.authorize(request, NONE)).rejects.toBeInstanceOf(OpenBankingError);
    }
    for (const needs of [{ scopes: ['admin'] }, { scopes: [], roles: ['PSP_AS'] }] as const) {
      expect(authorizer.authorizeNow(mine, needs)).toBeUndefined();
    }
    expect(authorizer.authorizeNow(facts(token, one, '/accounts?a=b'), NONE)).toBeDefined();
    state.now = new Date(NOW.getTime() + 2001);
    expect(authorizer.authorizeNow(mine, NONE)).toBeUndefined();
  });

  it('is repeated for no longer than it holds: token, certificate, list, TPP', async () => {
    const notAfter = new Date('2049-01-01').getTime();
    const at = (time: number) => new Date(time);
    const connection = presented(certificates.one);
    const claims = { exp: NOW.getTime() / 1000 + 60, authorization_number: 'PSDGB-FCA-1' };
    const ends: readonly [options: Partial<AuthorizerOptions>, claims: object, end: number][] = [
      [{ status: false }, claims, NOW.getTime() + 60_000],
      [{ status: false }, { ...claims, exp: notAfter / 1000 + 60 }, notAfter + 1],
      [{}, claims, NOW.getTime() + 2000],
      [
        { status: false, tppCheck: () => ({ authorizationNumber: 'PSDGB-FCA-1', roles: new Set() }) },
        claims,
        NOW.getTime() + 1000,
      ],
    ];
    for (const [options, change, end] of ends) {
      const { authorizer, state } = setUp(options);
      const request = facts(await tokenOf(certificates.one, { claims: { ...change } }), connection);
      if (end > NOW.getTime() + 100_000) state.now = at(end - 50);
      expect(await verdict(authorizer, request)).toBe('allowed');
      state.now = at(end - 20);
      expect(authorizer.authorizeNow(request, NONE)).toBeDefined();
      state.now = at(end - 2);
      expect(authorizer.authorizeNow(request, NONE)).toBeDefined();
      state.now = at(end);
      expect(authorizer.authorizeNow(request, NONE)).toBeUndefined();
    }
  });

  it('is repeated for the same requirement only', async () => {
    const { authorizer } = setUp();
    const request = facts(await tokenOf(certificates.one), presented(certificates.one));
    expect(await verdict(authorizer, request)).toBe('allowed');
    expect(authorizer.authorizeNow(request, NONE)).toBeDefined();
    expect(authorizer.authorizeNow(request, { scopes: ['admin'] })).toBeUndefined();
    expect(authorizer.authorizeNow(request, NONE)).toBeDefined();
  });

  it('agrees with the full decision about any request (property)', async () => {
    const { authorizer } = setUp();
    const owners = [certificates.one, certificates.two];
    const tokens = await Promise.all(owners.map((owner) => tokenOf(owner)));
    const connections = owners.map(presented);
    const header = fc.constantFrom(
      ...tokens.flatMap((one) => [`Bearer ${one}`, `bearer ${one}`, `DPoP ${one}`, `Bearer  ${one}`, one]),
    );
    const name = fc.constantFrom('authorization', 'Authorization', 'x-authorization', 'dpop');
    const fields = fc.array(fc.tuple(name, header), { maxLength: 3 });
    const urls = fc.constantFrom('/', '/?a', '/?access_token=x', '/?x=access_token');
    await fc.assert(
      fc.asyncProperty(fields, urls, fc.nat({ max: 1 }), async (sent, url, at) => {
        const request = { method: 'GET', url, rawHeaders: sent.flat(), certificate: connections[at] };
        const warm = authorizer.authorizeNow(request, NONE);
        const full = await authorizer.authorize(request, NONE).catch((error: unknown) => error);
        if (warm !== undefined) expect(full).toBe(warm);
      }),
      { numRuns: 300, seed: 5 },
    );
  });

  it('stops when the token is revoked, is over, or its key has left the issuer (A13, H18, L2)', async () => {
    const { authorizer, state } = setUp();
    const connection = presented(certificates.one);
    const token = await tokenOf(certificates.one, { claims: { exp: SECONDS + 900 } });
    expect(await verdict(authorizer, facts(token, connection))).toBe('allowed');
    state.revoked = [7];
    state.now = new Date(NOW.getTime() + 2000);
    expect(authorizer.authorizeNow(facts(token, connection), NONE)).toBeUndefined();
    expect(await verdict(authorizer, facts(token, connection))).toBe('ERR_TOKEN_REVOKED');
    expect(authorizer.authorizeNow(facts(token, connection), NONE)).toBeUndefined();

    const lasting = setUp({ status: false });
    expect(await verdict(lasting.authorizer, facts(token, connection))).toBe('allowed');
    lasting.state.keys = (await createTestIssuer('two')).jwks;
    lasting.state.now = new Date(NOW.getTime() + 299_000);
    expect(lasting.authorizer.authorizeNow(facts(token, connection), NONE)).toBeDefined();
    lasting.state.now = new Date(NOW.getTime() + 301_000);
    expect(lasting.authorizer.authorizeNow(facts(token, connection), NONE)).toBeUndefined();
    expect(await verdict(lasting.authorizer, facts(token, connection))).toBe('ERR_TOKEN_INVALID');

    const over = setUp({ status: false });
    const short = await tokenOf(certificates.one, { claims: { exp: SECONDS + 60 } });
    expect(await verdict(over.authorizer, facts(short, connection))).toBe('allowed');
    over.state.now = new Date(NOW.getTime() + 60_000);
    expect(over.authorizer.authorizeNow(facts(short, connection), NONE)).toBeUndefined();
    expect(await verdict(over.authorizer, facts(short, connection))).toBe('ERR_TOKEN_EXPIRED');
  });
});

describe('the presented certificate', () => {
  it('must be valid at every request, unless that is allowed by name (A13, RFC 8705 §6.3)', async () => {
    const notAfter = new Date('2049-01-01').getTime();
    const claims = { exp: notAfter / 1000 + 900, iat: SECONDS };
    const token = await tokenOf(certificates.one, { claims });
    const connection = presented(certificates.one);
    for (const [allowExpiredCertificates, after] of [
      [false, 'ERR_CERT_EXPIRED'],
      [true, 'allowed'],
    ] as const) {
      const { authorizer, state } = setUp({ status: false, allowExpiredCertificates });
      state.now = new Date(notAfter);
      expect(await verdict(authorizer, facts(token, connection))).toBe('allowed');
      expect(authorizer.authorizeNow(facts(token, connection), NONE)).toBeDefined();
      state.now = new Date(notAfter + 1000);
      expect(authorizer.authorizeNow(facts(token, connection), NONE) === undefined).toBe(
        !allowExpiredCertificates,
      );
      expect(await verdict(authorizer, facts(token, connection))).toBe(after);
      state.now = new Date('2019-12-31');
      const before = allowExpiredCertificates ? 'allowed' : 'ERR_CERT_NOT_YET_VALID';
      expect(await verdict(authorizer, facts(token, connection))).toBe(before);
    }
  });

  it('is compared in constant time, whatever the lengths (A9)', async () => {
    const { authorizer } = setUp({ status: false });
    const token = await tokenOf(certificates.one);
    const connection = presented(certificates.one);
    for (let length = 0; length <= 100; length += 1) {
      const forged = { ...connection, thumbprint: 'A'.repeat(length) };
      expect(await verdict(authorizer, facts(token, forged))).toBe('ERR_TOKEN_BINDING');
    }
  });
});

describe('a check of the whole TPP', () => {
  const registered = { authorizationNumber: 'PSDGB-FCA-1', roles: new Set(['PSP_AI']) };
  const claims = { authorization_number: 'PSDGB-FCA-1', tpp_roles: ['PSP_AI', 'PSP_PI'] };

  it('runs at least once a second for a connection, and its refusal counts', async () => {
    let checks = 0;
    let isWithdrawn = false;
    const { authorizer, state } = setUp({
      status: false,
      tppCheck: async () => {
        checks += 1;
        if (!isWithdrawn) return registered;
        const details = { authorizationNumber: 'PSDGB-FCA-1', status: 'withdrawn', since: NOW };
        throw new OpenBankingError('ERR_TPP_NOT_AUTHORIZED', details);
      },
    });
    const request = facts(await tokenOf(certificates.one, { claims }), presented(certificates.one));
    expect(authorizer.authorizeNow(request, NONE)).toBeUndefined();
    expect(await verdict(authorizer, request)).toBe('allowed');
    isWithdrawn = true;
    expect(authorizer.authorizeNow(request, NONE)).toBeDefined();
    expect(checks).toBe(1);
    state.now = new Date(NOW.getTime() + 1000);
    expect(authorizer.authorizeNow(request, NONE)).toBeUndefined();
    expect(await verdict(authorizer, request)).toBe('ERR_TPP_NOT_AUTHORIZED');
  });

  it('must find the TPP of the token, with the roles of now', async () => {
    const { authorizer } = setUp({ status: false, tppCheck: () => registered });
    const connection = presented(certificates.one);
    const request = facts(await tokenOf(certificates.one, { claims }), connection);
    expect(await verdict(authorizer, request, { scopes: [], roles: ['PSP_AI'] })).toBe('allowed');
    expect(await verdict(authorizer, request, { scopes: [], roles: ['PSP_PI'] })).toBe(
      'ERR_TPP_ROLE_MISSING',
    );
    expect(authorizer.authorizeNow(request, { scopes: [], roles: ['PSP_PI'] })).toBeUndefined();
    const other = await tokenOf(certificates.one, {
      claims: { ...claims, authorization_number: 'PSDGB-FCA-2' },
    });
    expect(await verdict(authorizer, facts(other, connection))).toBe('ERR_TPP_CLIENT_MISMATCH');
    const nameless = await tokenOf(certificates.one, { claims: { authorization_number: undefined } });
    expect(await verdict(authorizer, facts(nameless, connection))).toBe('ERR_TPP_CLIENT_MISMATCH');
  });
});

describe('the token cache', () => {
  const proven = (until: number) => ({ until }) as ProvenToken;

  it('is bounded in number and in bytes, and the oldest make room', async () => {
    let proofs = 0;
    const prove = async () => {
      proofs += 1;
      return proven(100);
    };
    const few = new TokenCache({ prove, maxTokens: 3, maxBytes: 1e9 });
    for (const token of ['a', 'b', 'c', 'd']) await few.prove(token, 'certificate', 0);
    expect(['a', 'b', 'c', 'd'].map((token) => few.find(token, 0) !== undefined)).toEqual([
      false,
      true,
      true,
      true,
    ]);
    const small = new TokenCache({ prove, maxTokens: 1e9, maxBytes: 30_000 });
    for (let at = 0; at < 10; at += 1) await small.prove(`${at}`.padEnd(8000, 'x'), 'certificate', 0);
    const kept = Array.from({ length: 10 }, (_, at) => small.find(`${at}`.padEnd(8000, 'x'), 0));
    expect(kept.filter((one) => one !== undefined)).toHaveLength(3);
    expect(proofs).toBe(14);
  });

  it('forgets what is over, never remembers a refusal, and proves one token once for many', async () => {
    let proofs = 0;
    const tokens = new TokenCache({
      prove: async (token) => {
        proofs += 1;
        if (token === 'bad') throw new OpenBankingError('ERR_TOKEN_INVALID', { problem: 'bad' });
        return proven(100);
      },
      maxTokens: 10,
      maxBytes: 1e6,
    });
    await Promise.all(Array.from({ length: 10 }, () => tokens.prove('a', 'certificate', 0)));
    expect(proofs).toBe(1);
    expect(tokens.find('a', 100)).toBeUndefined();
    await expect(tokens.prove('bad', 'certificate', 0)).rejects.toThrow();
    await expect(tokens.prove('bad', 'certificate', 0)).rejects.toThrow();
    expect(proofs).toBe(3);
  });
});

describe('strangers', () => {
  it('with 10,000 random key identifiers cause one look at the keys in 5 seconds (L10)', async () => {
    const { authorizer, state } = setUp({ status: false });
    const connection = presented(certificates.one);
    const good = await tokenOf(certificates.one);
    expect(await verdict(authorizer, facts(good, connection))).toBe('allowed');
    const [, payload = '', signature = ''] = good.split('.');
    const flood = Array.from({ length: 10_000 }, (_, at) => {
      const header = { alg: 'ES256', typ: 'at+jwt', kid: `random-${at}` };
      return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
    });
    const before = state.fetches;
    const refused = async (tokens: readonly string[]) => {
      const codes = await Promise.all(tokens.map((token) => verdict(authorizer, facts(token, connection))));
      expect(new Set(codes)).toEqual(new Set(['ERR_TOKEN_INVALID']));
    };
    await refused(flood.slice(0, 5000));
    state.now = new Date(NOW.getTime() + 4_000);
    await refused(flood.slice(5000, 9000));
    expect(state.fetches - before).toBe(0);
    state.now = new Date(NOW.getTime() + 6_000);
    await refused(flood.slice(9000));
    expect(state.fetches - before).toBe(1);
  });
});

describe('clocks that differ', () => {
  const skews: readonly [aheadSeconds: number, code: string][] = [
    [-600, 'allowed'],
    [-60, 'allowed'],
    [10, 'allowed'],
    [11, 'ERR_TOKEN_INVALID'],
    [60, 'ERR_TOKEN_INVALID'],
    [600, 'ERR_TOKEN_INVALID'],
  ];
  it.each(skews)('by %i seconds of the issuer: %s (L11)', async (ahead, code) => {
    const { authorizer } = setUp({ status: false });
    const claims = { iat: SECONDS + ahead, nbf: SECONDS + ahead, exp: SECONDS + ahead + 900 };
    const token = await tokenOf(certificates.one, { claims });
    expect(await verdict(authorizer, facts(token, presented(certificates.one)))).toBe(code);
  });

  it('never lengthen a life: the end has no leeway (L11)', async () => {
    const { authorizer } = setUp({ status: false });
    const connection = presented(certificates.one);
    for (const [exp, code] of [
      [SECONDS, 'ERR_TOKEN_EXPIRED'],
      [SECONDS + 1, 'allowed'],
    ] as const) {
      const token = await tokenOf(certificates.one, { claims: { exp } });
      expect(await verdict(authorizer, facts(token, connection))).toBe(code);
    }
  });
});
