import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { isRefusal, OpenBankingError } from '../../../src/errors.ts';
import type { PresentedCertificate } from '../../../src/mutual-tls/client-certificate.ts';
import {
  type Authorizer,
  type AuthorizerOptions,
  createAuthorizer,
  createGateway,
  createProtection,
  type IntrospectionOptions,
} from '../../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  serveOverTls,
  type TestIssuer,
  type TestServer,
} from '../issuer.ts';

const SIGNED = 'application/token-introspection+jwt';
const SECONDS = NOW.getTime() / 1000;

interface Asked {
  readonly form: URLSearchParams;
  readonly accept: string;
  /** Common name of the certificate that the resource server presented. */
  readonly peer: string;
}

let issuer: TestIssuer;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let certificate: PresentedCertificate;
let strangersCertificate: PresentedCertificate;
let server: TestServer;
let asked: Asked[];
let answer: (response: ServerResponse) => void | Promise<void>;
let now: Date;
const open: Authorizer[] = [];

beforeAll(async () => {
  issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  certificate = presented(Buffer.from(certificates.one.der));
  strangersCertificate = presented(Buffer.from(certificates.two.der));
  server = await serveOverTls((request, response) => void serve(request, response), certificates);
});
beforeEach(() => {
  asked = [];
  now = NOW;
  answer = signedAnswer();
});
afterAll(async () => {
  await Promise.all(open.map((authorizer) => authorizer.close()));
  await server.close();
});

function presented(der: Buffer): PresentedCertificate {
  const thumbprint = createHash('sha256').update(der).digest('base64url');
  return { der, thumbprint, certificate: new X509Certificate(der) };
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  asked.push({
    form: new URLSearchParams(Buffer.concat(chunks).toString()),
    accept: request.headers.accept ?? '',
    peer: (request.socket as TLSSocket).getPeerX509Certificate()?.subject ?? 'none',
  });
  await answer(response);
}

const about = (change: Record<string, unknown> = {}) => ({
  active: true,
  iss: ISSUER,
  aud: AUDIENCE,
  client_id: 'acme',
  sub: 'psu-1',
  scope: 'accounts',
  exp: SECONDS + 600,
  iat: SECONDS,
  cnf: { 'x5t#S256': certificate.thumbprint },
  consent_id: 'consent-1',
  authorization_number: 'PSDGB-FCA-1',
  tpp_roles: ['PSP_AI'],
  authorization_details: [{ type: 'account_information', accounts: ['1'] }],
  ...change,
});

interface AnswerChange {
  readonly token?: unknown;
  readonly claims?: Record<string, unknown>;
  readonly typ?: string;
  readonly contentType?: string;
  readonly signer?: TestIssuer;
}

function signedAnswer(change: AnswerChange = {}) {
  return async (response: ServerResponse) => {
    const claims = {
      iss: ISSUER,
      aud: 'accounts-api',
      iat: Math.floor(now.getTime() / 1000),
      token_introspection: change.token ?? about(),
      ...change.claims,
    };
    const jwt = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: change.typ ?? 'token-introspection+jwt', kid: 'one' })
      .sign((change.signer ?? issuer).privateKey);
    response.setHeader('content-type', change.contentType ?? SIGNED);
    response.end(jwt);
  };
}

function rawAnswer(body: string, { status = 200, contentType = 'application/json' } = {}) {
  return (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': contentType, location: 'https://evil.example/' });
    response.end(body);
  };
}

function authorizerWith(
  introspection: Partial<IntrospectionOptions> = {},
  options: Partial<AuthorizerOptions> = {},
): Authorizer {
  const { certificatePem, privateKeyPem } = certificates.two;
  const authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    caPem: certificates.authority.certificatePem,
    clock: { now: () => now },
    introspection: {
      endpoint: `${server.url}/introspect`,
      clientId: 'accounts-api',
      certificatePem,
      privateKeyPem,
      ...introspection,
    },
    ...options,
  });
  open.push(authorizer);
  return authorizer;
}

const request = (token: string) => ({
  method: 'GET',
  url: '/accounts',
  rawHeaders: ['Authorization', `Bearer ${token}`],
  certificate,
});

async function verdict(authorizer: Authorizer, token = 'opaque-token'): Promise<string> {
  try {
    await authorizer.authorize(request(token), { scopes: ['accounts'], roles: ['PSP_AI'] });
    return 'allowed';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}
const later = (seconds: number) => {
  now = new Date(now.getTime() + seconds * 1000);
};

describe('an opaque token', () => {
  it('is asked about over mTLS, and the signed answer is the authorization (RFC 9701)', async () => {
    const authorization = await authorizerWith().authorize(request('opaque-token'), { scopes: ['accounts'] });
    expect(authorization).toMatchObject({
      clientId: 'acme',
      subject: 'psu-1',
      scopes: ['accounts'],
      consentId: 'consent-1',
      authorizationNumber: 'PSDGB-FCA-1',
      roles: ['PSP_AI'],
      authorizationDetails: [{ type: 'account_information', accounts: ['1'] }],
      claims: expect.objectContaining({ client_id: 'acme' }),
    });
    expect(Object.isFrozen(authorization.authorizationDetails[0]?.accounts)).toBe(true);
    expect(asked).toHaveLength(1);
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
      token: 'opaque-token',
      token_type_hint: 'access_token',
      client_id: 'accounts-api',
    });
    expect(asked[0]).toMatchObject({ accept: SIGNED, peer: expect.stringContaining('CN=two') });
  });

  it('may be asked about in plain JSON by configuration (RFC 7662)', async () => {
    answer = rawAnswer(JSON.stringify(about()));
    expect(await verdict(authorizerWith({ response: 'plain' }))).toBe('allowed');
    expect(asked[0]?.accept).toBe('application/json');
  });

  it('is not asked about when it is a JWT, unless only opaque ones are taken', async () => {
    const jwt = await issuer.token(certificate.thumbprint);
    expect(await verdict(authorizerWith({}, { status: false }), jwt)).toBe('allowed');
    expect(asked).toHaveLength(0);
    expect(await verdict(authorizerWith({}, { formats: ['opaque'] }), jwt)).toBe('allowed');
    expect(asked).toHaveLength(1);
  });

  const untrustworthy: readonly [title: string, make: () => Promise<typeof answer> | typeof answer][] = [
    ['signed by another', async () => signedAnswer({ signer: await createTestIssuer('one') })],
    ['of type at+jwt', () => signedAnswer({ typ: 'at+jwt' })],
    ['of type JWT', () => signedAnswer({ typ: 'JWT' })],
    ['for another resource server', () => signedAnswer({ claims: { aud: 'other-api' } })],
    ['of another issuer', () => signedAnswer({ claims: { iss: 'https://evil.example' } })],
    ['of 41 seconds ago', () => signedAnswer({ claims: { iat: SECONDS - 41 } })],
    ['of the future', () => signedAnswer({ claims: { iat: SECONDS + 11 } })],
    ['without iat', () => signedAnswer({ claims: { iat: undefined } })],
    ['with a sub of its own', () => signedAnswer({ claims: { sub: 'psu-1' } })],
    ['with an exp of its own', () => signedAnswer({ claims: { exp: SECONDS + 600 } })],
    ['about nothing', () => signedAnswer({ claims: { token_introspection: undefined } })],
    ['active as text', () => signedAnswer({ token: about({ active: 'true' }) })],
    ['not saying whether it is active', () => signedAnswer({ token: about({ active: undefined }) })],
    ['under another content type', () => signedAnswer({ contentType: 'application/json' })],
    ['not signed', () => rawAnswer(JSON.stringify(about()))],
    [
      'not signed, under the type of a signed one',
      () => rawAnswer(JSON.stringify(about()), { contentType: SIGNED }),
    ],
    ['a redirect', () => rawAnswer('', { status: 302 })],
    ['an error', () => rawAnswer('{}', { status: 500 })],
    ['a refusal of this resource server', () => rawAnswer('{"error":"invalid_client"}', { status: 401 })],
    ['huge', () => rawAnswer('x'.repeat(100_000), { contentType: SIGNED })],
    ['broken off', () => (response) => void response.socket?.destroy()],
  ];
  it.each(untrustworthy)('is not taken on an answer that is %s: 503 (L7)', async (_title, make) => {
    answer = await make();
    expect(await verdict(authorizerWith())).toBe('ERR_TOKEN_INTROSPECTION_UNAVAILABLE');
  });

  const claims: readonly [title: string, change: Record<string, unknown>, code: string][] = [
    ['not active', { active: false }, 'ERR_TOKEN_INVALID'],
    ['for another API (L3)', { aud: 'https://other.bank.example' }, 'ERR_TOKEN_INVALID'],
    ['for several APIs', { aud: [AUDIENCE, 'https://other.bank.example'] }, 'ERR_TOKEN_INVALID'],
    ['without audience', { aud: undefined }, 'ERR_TOKEN_INVALID'],
    ['of another issuer', { iss: 'https://evil.example' }, 'ERR_TOKEN_INVALID'],
    ['without exp', { exp: undefined }, 'ERR_TOKEN_INVALID'],
    ['over', { exp: SECONDS }, 'ERR_TOKEN_EXPIRED'],
    ['not bound', { cnf: undefined }, 'ERR_TOKEN_UNBOUND'],
    ['bound to another certificate', { cnf: { 'x5t#S256': 'A'.repeat(43) } }, 'ERR_TOKEN_BINDING'],
    ['without the scope', { scope: 'payments' }, 'ERR_TOKEN_SCOPE'],
    ['without the role', { tpp_roles: ['PSP_PI'] }, 'ERR_TPP_ROLE_MISSING'],
    ['with roles that are no list', { tpp_roles: 'PSP_AI' }, 'ERR_TOKEN_INVALID'],
    ['with details that are no list', { authorization_details: {} }, 'ERR_TOKEN_INVALID'],
  ];
  it.each(claims)('that is %s is refused', async (_title, change, code) => {
    answer = signedAnswer({ token: about(change) });
    expect(await verdict(authorizerWith())).toBe(code);
  });

  it('is asked about once by many, and again when the answer is two seconds old (L6)', async () => {
    const authorizer = authorizerWith();
    const codes = await Promise.all(Array.from({ length: 20 }, () => verdict(authorizer)));
    expect([new Set(codes), asked.length]).toEqual([new Set(['allowed']), 1]);
    answer = signedAnswer({ token: { active: false } });
    later(1.9);
    expect(await verdict(authorizer)).toBe('allowed');
    expect(authorizer.authorizeNow(request('opaque-token'), { scopes: [] })).toBeDefined();
    later(0.2);
    expect(authorizer.authorizeNow(request('opaque-token'), { scopes: [] })).toBeUndefined();
    expect(await verdict(authorizer)).toBe('ERR_TOKEN_INVALID');
    expect(asked).toHaveLength(2);
  });

  it('in use is asked about again before its answer is old, so that no request waits', async () => {
    const authorizer = authorizerWith();
    expect(await verdict(authorizer)).toBe('allowed');
    later(0.9);
    expect(authorizer.authorizeNow(request('opaque-token'), { scopes: [] })).toBeDefined();
    expect(asked).toHaveLength(1);
    later(0.2);
    for (let many = 0; many < 20; many += 1) {
      expect(authorizer.authorizeNow(request('opaque-token'), { scopes: [] })).toBeDefined();
    }
    await expect.poll(() => asked.length).toBe(2);
    await expect.poll(() => authorizer.authorizeNow(request('opaque-token'), { scopes: [] })).toBeDefined();
    // The first answer is too old by now, the second is not.
    later(1.5);
    expect(await verdict(authorizer)).toBe('allowed');
    expect(asked).toHaveLength(2);
    answer = signedAnswer({ token: { active: false } });
    expect(authorizer.authorizeNow(request('opaque-token'), { scopes: [] })).toBeDefined();
    await expect.poll(() => asked.length).toBe(3);
    later(0.6);
    expect(await verdict(authorizer)).toBe('ERR_TOKEN_INVALID');
  });

  it('that is not active stays so for five seconds at most (L6)', async () => {
    const authorizer = authorizerWith();
    answer = signedAnswer({ token: { active: false } });
    expect(await verdict(authorizer)).toBe('ERR_TOKEN_INVALID');
    answer = signedAnswer();
    later(4.9);
    expect(await verdict(authorizer)).toBe('ERR_TOKEN_INVALID');
    expect(asked).toHaveLength(1);
    later(0.2);
    expect(await verdict(authorizer)).toBe('allowed');
    for (const bad of [{ maxAgeSeconds: 31 }, { maxAgeSeconds: 0 }, { maxNegativeAgeSeconds: 6 }]) {
      expect(() => authorizerWith(bad)).toThrow(TypeError);
    }
  });

  it('finds the issuer left alone for a second after a failure, and then asks again (L7)', async () => {
    const authorizer = authorizerWith();
    answer = rawAnswer('', { status: 500 });
    const codes = await Promise.all(Array.from({ length: 20 }, (_, at) => verdict(authorizer, `t${at}`)));
    expect(new Set(codes)).toEqual(new Set(['ERR_TOKEN_INTROSPECTION_UNAVAILABLE']));
    const before = asked.length;
    answer = signedAnswer();
    expect(await verdict(authorizer)).toBe('ERR_TOKEN_INTROSPECTION_UNAVAILABLE');
    expect(asked).toHaveLength(before);
    later(1);
    expect(await verdict(authorizer)).toBe('allowed');
  });
});

describe('a stranger with tokens that nobody issued', () => {
  const ofStranger = async (authorizer: Authorizer, token: string): Promise<string> => {
    const sent = { ...request(token), certificate: strangersCertificate };
    return authorizer.authorize(sent, { scopes: [] }).then(
      () => 'allowed',
      (error: unknown) => (isRefusal(error) ? error.code : 'fault'),
    );
  };

  it.each([
    ['8,190 slashes', '/'.repeat(8190)],
    ['one letter too many', 'a'.repeat(257)],
    ['padding', 'YWJj='],
    ['a plus sign', 'a+b'],
  ])('is refused without a question: %s', async (_title, token) => {
    const authorizer = authorizerWith();
    expect(await ofStranger(authorizer, token)).toBe('ERR_TOKEN_INVALID');
    expect(asked).toHaveLength(0);
    expect(await verdict(authorizer)).toBe('allowed');
  });

  it.each([
    ['too large for the issuer', rawAnswer('{}', { status: 413 })],
    ['malformed for the issuer', rawAnswer('{}', { status: 400 })],
    ['one too many for the issuer', rawAnswer('{}', { status: 429 })],
    ['answered at too great a length', rawAnswer('x'.repeat(100_000), { contentType: SIGNED })],
    ['answered in another type', rawAnswer('{}')],
  ])('shuts the introspection of no other when a token is %s', async (_title, bad) => {
    const authorizer = authorizerWith();
    for (let round = 0; round < 5; round += 1) {
      answer = bad;
      expect(await ofStranger(authorizer, `evil-${round}`)).toBe('ERR_TOKEN_INTROSPECTION_UNAVAILABLE');
      answer = signedAnswer();
      expect(await verdict(authorizer, `good-${round}`)).toBe('allowed');
    }
  });

  it('leaves a broken connection without effect on others, once', async () => {
    const authorizer = authorizerWith();
    answer = (response) => void response.socket?.destroy();
    expect(await ofStranger(authorizer, 'evil')).toBe('ERR_TOKEN_INTROSPECTION_UNAVAILABLE');
    answer = signedAnswer();
    expect(await verdict(authorizer)).toBe('allowed');
  });

  it('does not fill the queue for the holders of live tokens', async () => {
    const authorizer = authorizerWith();
    expect(await verdict(authorizer, 'before')).toBe('allowed');
    const held: ServerResponse[] = [];
    answer = (response) => void held.push(response);
    const flood = Array.from({ length: 2000 }, (_, at) => ofStranger(authorizer, `evil-${at}`));
    await expect.poll(() => held.length).toBe(16);
    const honest = Array.from({ length: 20 }, (_, at) => verdict(authorizer, `good-${at}`));
    answer = signedAnswer();
    await Promise.all(held.map((response) => signedAnswer({ token: { active: false } })(response)));
    expect(new Set(await Promise.all(honest))).toEqual(new Set(['allowed']));
    const tokens = asked.map(({ form }) => form.get('token') ?? '');
    expect(tokens.slice(17, 37).every((token) => token.startsWith('good-'))).toBe(true);
    expect(new Set(await Promise.all(flood))).toEqual(
      new Set(['ERR_TOKEN_BINDING', 'ERR_TOKEN_INVALID', 'ERR_TOKEN_INTROSPECTION_UNAVAILABLE']),
    );
  });

  it('shuts nothing at the gateway either', async () => {
    const protection = createProtection({
      authorizer: authorizerWith(),
      clientCertificate: { from: 'socket' },
    });
    const routes = [{ path: '/accounts', scopes: [], roles: [] }];
    const gateway = await serveOverTls(createGateway({ protection, proxy: 'nginx', routes }), certificates);
    const original = { 'x-original-method': 'GET', 'x-original-uri': '/accounts' };
    const statusOf = async (by: 'one' | 'two', token: string) => {
      const headers = { ...original, authorization: `Bearer ${token}` };
      return (await gateway.send('/authorize', { certificate: certificates[by], headers })).status;
    };
    for (let round = 0; round < 3; round += 1) {
      expect(await statusOf('two', '/'.repeat(8190))).toBe(401);
      expect(await statusOf('one', `good-${round}`)).toBe(200);
    }
    await gateway.close();
  });

  it('is not asked about when the bank checks certificates itself', async () => {
    const tppCheck = async () => {
      throw new OpenBankingError('ERR_CERT_UNTRUSTED', { subject: 'stranger', issuer: 'stranger' });
    };
    const authorizer = authorizerWith({}, { tppCheck });
    expect(await ofStranger(authorizer, 'evil')).toBe('ERR_CERT_UNTRUSTED');
    expect(asked).toHaveLength(0);
  });
});

describe('the formats of tokens', () => {
  it('go with a way to prove them', () => {
    const base = { issuer: ISSUER, audience: AUDIENCE, jwks: issuer.jwks };
    expect(() => createAuthorizer({ ...base, formats: ['opaque'] })).toThrow(TypeError);
    expect(() => createAuthorizer({ ...base, formats: [] })).toThrow(TypeError);
    expect(() => authorizerWith({}, { formats: ['jwt'] })).toThrow(TypeError);
    expect(() => authorizerWith({ endpoint: 'http://as.bank.example/introspect' })).toThrow(TypeError);
    expect(() => authorizerWith({ clientId: '' })).toThrow(TypeError);
  });
});
