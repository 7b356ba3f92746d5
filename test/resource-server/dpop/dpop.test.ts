import { createHash, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import type { PresentedCertificate } from '../../../src/mutual-tls/client-certificate.ts';
import { rememberProofs } from '../../../src/resource-server/dpop/dpop-replay.ts';
import {
  type AuthorizerOptions,
  createAuthorizer,
  refusalAnswer,
} from '../../../src/resource-server/index.ts';
import {
  AUDIENCE,
  createTestCertificates,
  createTestIssuer,
  ISSUER,
  NOW,
  type TestIssuer,
} from '../issuer.ts';

interface ProofKey {
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
  readonly jkt: string;
}

const SECONDS = NOW.getTime() / 1000;
const URL_OF_API = `${AUDIENCE}/accounts`;
let issuer: TestIssuer;
let certificate: PresentedCertificate;
let otherCertificate: PresentedCertificate;
let key: ProofKey;
let otherKey: ProofKey;
let token: string;

async function makeKey(pair: { privateKey: KeyObject; publicKey: KeyObject }): Promise<ProofKey> {
  const jwk = await exportJWK(pair.publicKey);
  return { privateKey: pair.privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
}
const ec = () => makeKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }));

beforeAll(async () => {
  issuer = await createTestIssuer();
  const { one, two } = await createTestCertificates();
  const presented = (bytes: Uint8Array): PresentedCertificate => {
    const der = Buffer.from(bytes);
    const thumbprint = createHash('sha256').update(der).digest('base64url');
    return { der, thumbprint, certificate: new X509Certificate(der) };
  };
  [certificate, otherCertificate] = [presented(one.der), presented(two.der)];
  [key, otherKey] = await Promise.all([ec(), ec()]);
  token = await boundToken({ jkt: key.jkt });
});

const boundToken = (confirmation: Record<string, unknown>) =>
  issuer.token(certificate.thumbprint, {
    claims: { cnf: { 'x5t#S256': certificate.thumbprint, ...confirmation } },
  });
const hashOf = (text: string) => createHash('sha256').update(text).digest('base64url');

interface ProofChange {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly key?: ProofKey;
  readonly alg?: string;
}

let proofs = 0;
async function makeProof({
  claims,
  header,
  key: signer = key,
  alg = 'ES256',
}: ProofChange = {}): Promise<string> {
  proofs += 1;
  const payload = {
    jti: `proof-${proofs}`,
    htm: 'GET',
    htu: URL_OF_API,
    iat: SECONDS,
    ath: hashOf(token),
    ...claims,
  };
  return new SignJWT(payload)
    .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: signer.jwk, ...header })
    .sign(signer.privateKey);
}

function authorizerWith(options: Partial<AuthorizerOptions> = {}) {
  return createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    status: false,
    ...options,
  });
}

interface Sent {
  readonly headers?: string[];
  readonly method?: string;
  readonly url?: string;
  readonly certificate?: PresentedCertificate;
  readonly authorizer?: ReturnType<typeof authorizerWith>;
}

async function refusalOf(proof: string | undefined, sent: Sent = {}) {
  const rawHeaders = sent.headers ?? [
    'Authorization',
    `DPoP ${token}`,
    ...(proof === undefined ? [] : ['DPoP', proof]),
  ];
  const facts = {
    method: sent.method ?? 'GET',
    url: sent.url ?? '/accounts?from=2026-01-01',
    rawHeaders,
    certificate: sent.certificate ?? certificate,
  };
  try {
    await (sent.authorizer ?? authorizerWith()).authorize(facts, { scopes: ['accounts'] });
    return undefined;
  } catch (error) {
    if (isRefusal(error)) return error;
    throw error;
  }
}
const verdict = async (proof: string | undefined, sent?: Sent) =>
  (await refusalOf(proof, sent))?.code ?? 'allowed';

describe('a DPoP proof (RFC 9449 §4.3, L5)', () => {
  it('lets a token through that is bound to its key and to the certificate', async () => {
    expect(await verdict(await makeProof())).toBe('allowed');
  });

  it.each(['PS256', 'EdDSA'])('may be signed with %s', async (alg) => {
    const rsa = { modulusLength: 2048 };
    const signer = await makeKey(
      alg === 'PS256' ? generateKeyPairSync('rsa', rsa) : generateKeyPairSync('ed25519'),
    );
    const bound = await boundToken({ jkt: signer.jkt });
    const proof = await makeProof({ key: signer, alg, claims: { ath: hashOf(bound) } });
    expect(await verdict(proof, { headers: ['authorization', `dpop ${bound}`, 'dpop', proof] })).toBe(
      'allowed',
    );
  });

  it('counts together with the certificate: only both let the token through (A7, RFC 7800 §3.1)', async () => {
    const codes = await Promise.all([
      verdict(await makeProof()),
      verdict(await makeProof(), { certificate: otherCertificate }),
      verdict(await makeProof({ key: otherKey })),
      verdict(await makeProof({ key: otherKey }), { certificate: otherCertificate }),
    ]);
    expect(codes).toEqual(['allowed', 'ERR_TOKEN_BINDING', 'ERR_DPOP_PROOF', 'ERR_TOKEN_BINDING']);
  });

  const bad: readonly [title: string, change: () => ProofChange | Promise<ProofChange>][] = [
    ['without jti', () => ({ claims: { jti: undefined } })],
    ['with an empty jti', () => ({ claims: { jti: '' } })],
    ['with a jti that is no string', () => ({ claims: { jti: 7 } })],
    ['with a huge jti', () => ({ claims: { jti: 'x'.repeat(300) } })],
    ['for another method', () => ({ claims: { htm: 'POST' } })],
    ['for the method in lower case', () => ({ claims: { htm: 'get' } })],
    ['without htm', () => ({ claims: { htm: undefined } })],
    ['for another path', () => ({ claims: { htu: `${AUDIENCE}/payments` } })],
    ['for another host', () => ({ claims: { htu: 'https://evil.example/accounts' } })],
    ['for plain http', () => ({ claims: { htu: URL_OF_API.replace('https', 'http') } })],
    ['for another port', () => ({ claims: { htu: `${AUDIENCE}:8443/accounts` } })],
    ['with credentials in htu', () => ({ claims: { htu: URL_OF_API.replace('//', '//a@') } })],
    ['without htu', () => ({ claims: { htu: undefined } })],
    ['of 71 seconds ago', () => ({ claims: { iat: SECONDS - 71 } })],
    ['of 11 seconds ahead', () => ({ claims: { iat: SECONDS + 11 } })],
    ['without iat', () => ({ claims: { iat: undefined } })],
    ['with iat as text', () => ({ claims: { iat: String(SECONDS) } })],
    ['for another token', () => ({ claims: { ath: hashOf('other') } })],
    [
      'with the hash of the token in hexadecimal',
      () => ({ claims: { ath: createHash('sha256').update(token).digest('hex') } }),
    ],
    ['without ath', () => ({ claims: { ath: undefined } })],
    ['of type JWT', () => ({ header: { typ: 'JWT' } })],
    ['of type at+jwt', () => ({ header: { typ: 'at+jwt' } })],
    ['without a type', () => ({ header: { typ: undefined } })],
    ['without a key', () => ({ header: { jwk: undefined } })],
    ['with a private key', async () => ({ header: { jwk: await exportJWK(key.privateKey) } })],
    ['with a symmetric key', () => ({ header: { jwk: { kty: 'oct', k: 'AAAA' } } })],
    ['with a secret beside the public key', () => ({ header: { jwk: { ...key.jwk, k: 'AAAA' } } })],
    ['with the key of another', () => ({ header: { jwk: otherKey.jwk } })],
    ['with a curve that does not exist', () => ({ header: { jwk: { ...key.jwk, crv: 'P-999' } } })],
    ['with a point that is not on the curve', () => ({ header: { jwk: { ...key.jwk, y: key.jwk.x } } })],
    ['with an unknown critical header', () => ({ header: { crit: ['x'], x: 1 } })],
  ];
  it.each(bad)('%s is refused', async (_title, change) => {
    const made = makeProof(await change()).catch(() => undefined);
    const proof = (await made) ?? forged(await change());
    const refusal = await refusalOf(proof);
    expect(refusal?.code).toBe('ERR_DPOP_PROOF');
    expect(refusalAnswer(refusal)).toMatchObject({
      status: 401,
      headers: {
        'www-authenticate': expect.stringMatching(/^DPoP error="invalid_dpop_proof".*algs="ES256 /),
      },
    });
  });

  it('with an algorithm beyond the list is refused: none, HS256, RS256, ES384', async () => {
    const rsa = await makeKey(generateKeyPairSync('rsa', { modulusLength: 2048 }));
    const p384 = await makeKey(generateKeyPairSync('ec', { namedCurve: 'P-384' }));
    const weak = await makeKey(generateKeyPairSync('rsa', { modulusLength: 1024 }));
    const [header = '', payload = ''] = (await makeProof()).split('.');
    const none = { ...JSON.parse(Buffer.from(header, 'base64url').toString()), alg: 'none' };
    const made = [
      `${Buffer.from(JSON.stringify(none)).toString('base64url')}.${payload}.`,
      await makeProof({ key: rsa, alg: 'RS256' }),
      await makeProof({ key: p384, alg: 'ES384' }),
      forged({ key: weak, alg: 'PS256' }),
      `${header}.${payload}`,
      'junk',
      '',
      'x'.repeat(5000),
    ];
    expect(await Promise.all(made.map((proof) => verdict(proof)))).toEqual(made.map(() => 'ERR_DPOP_PROOF'));
  });

  it('must be there, once, with the scheme DPoP (RFC 9449 §7.1, §7.2)', async () => {
    const [proof, plain] = [await makeProof(), await issuer.token(certificate.thumbprint)];
    const sent = [
      ['Authorization', `DPoP ${token}`],
      ['Authorization', `DPoP ${token}`, 'DPoP', proof, 'dpop', proof],
      ['Authorization', `DPoP ${token}`, 'DPoP', `${proof}, ${proof}`],
      ['Authorization', `Bearer ${token}`],
      ['Authorization', `Bearer ${token}`, 'DPoP', proof],
      ['Authorization', `DPoP ${plain}`, 'DPoP', proof],
    ];
    const codes = await Promise.all(sent.map((headers) => verdict(undefined, { headers })));
    expect(codes).toEqual(sent.map(() => 'ERR_DPOP_PROOF'));
    expect(await verdict(undefined, { headers: ['Authorization', `Bearer ${plain}`, 'DPoP', proof] })).toBe(
      'allowed',
    );
  });

  it('is needed for every request: none is let through by memory alone', async () => {
    const authorizer = authorizerWith();
    const rawHeaders = ['Authorization', `DPoP ${token}`, 'DPoP', await makeProof()];
    const request = { method: 'GET', url: '/accounts', rawHeaders, certificate };
    expect(await verdict(undefined, { headers: rawHeaders, url: '/accounts', authorizer })).toBe('allowed');
    expect(authorizer.authorizeNow(request, { scopes: [] })).toBeUndefined();
    expect(
      authorizer.authorizeNow({ ...request, rawHeaders: rawHeaders.slice(0, 2) }, { scopes: [] }),
    ).toBeUndefined();
  });

  it('is taken once, in any spelling of its base64url (H17)', async () => {
    const authorizer = authorizerWith();
    const proof = await makeProof();
    expect(await verdict(proof, { authorizer })).toBe('allowed');
    expect(await verdict(proof, { authorizer })).toBe('ERR_DPOP_PROOF');
    expect(await verdict(`${proof}==`, { authorizer })).toBe('ERR_DPOP_PROOF');
    const again = await makeProof({ claims: { jti: 'same' } });
    const twin = await makeProof({ claims: { jti: 'same', iat: SECONDS - 1 } });
    const codes = await Promise.all([again, twin, again, twin].map((one) => verdict(one, { authorizer })));
    expect(codes.filter((code) => code === 'allowed')).toHaveLength(1);
  });

  it('holds for one address however it is spelled: query, case, default port, escapes (RFC 3986 §6.2)', async () => {
    const spellings = [
      `${URL_OF_API}?a=b`,
      `${URL_OF_API}#x`,
      URL_OF_API.replace('https://api', 'HTTPS://API'),
      URL_OF_API.replace('/accounts', ':443/accounts'),
      URL_OF_API.replace('accounts', '%61ccounts'),
    ];
    const codes = await Promise.all(
      spellings.map(async (htu) => verdict(await makeProof({ claims: { htu } }))),
    );
    expect(codes).toEqual(spellings.map(() => 'allowed'));
    expect(await verdict(await makeProof({ claims: { htu: `${AUDIENCE}/a%2fb` } }), { url: '/a%2Fb' })).toBe(
      'allowed',
    );
    expect(await verdict(await makeProof({ claims: { htu: `${AUDIENCE}/a%2fb` } }), { url: '/a/b' })).toBe(
      'ERR_DPOP_PROOF',
    );
  });

  it('is compared with the address of this API, whatever target the request names (A1)', async () => {
    const elsewhere = 'https://evil.example/accounts';
    const proof = await makeProof({ claims: { htu: elsewhere } });
    const targets = [elsewhere, '//evil.example/accounts', '/\\evil.example/accounts', '*', '', 'https://['];
    const codes = await Promise.all(targets.map((url) => verdict(proof, { url })));
    expect(codes).toEqual(targets.map(() => 'ERR_DPOP_PROOF'));
  });

  it('must hold the nonce when one is required, and the refusal tells it (RFC 9449 §9)', async () => {
    const options = { dpop: { nonceSecret: Buffer.alloc(32, 7) } };
    const refusal = await refusalOf(await makeProof(), { authorizer: authorizerWith(options) });
    const { status, headers } = refusalAnswer(refusal);
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toContain('error="use_dpop_nonce"');
    const nonce = String(headers['dpop-nonce']);
    const at = (seconds: number) =>
      authorizerWith({ ...options, clock: { now: () => new Date(NOW.getTime() + seconds * 1000) } });
    const proof = () => makeProof({ claims: { nonce, iat: SECONDS + 59 } });
    expect(await verdict(await proof(), { authorizer: at(59) })).toBe('allowed');
    expect(await verdict(await proof(), { authorizer: at(119) })).toBe('allowed');
    expect(await verdict(await proof(), { authorizer: at(121) })).toBe('ERR_DPOP_NONCE');
    expect(await verdict(await makeProof({ claims: { nonce: `${nonce}x` } }), { authorizer: at(0) })).toBe(
      'ERR_DPOP_NONCE',
    );
  });

  it('needs an origin that does not come from the request', async () => {
    const proof = await makeProof();
    const opaque = { audience: 'urn:bank:api' };
    const bound = await issuer.token(certificate.thumbprint, {
      claims: { aud: 'urn:bank:api', cnf: { 'x5t#S256': certificate.thumbprint, jkt: key.jkt } },
    });
    const headers = ['Host', 'api.bank.example', 'Authorization', `DPoP ${bound}`, 'DPoP', proof];
    expect(await verdict(proof, { headers, authorizer: authorizerWith(opaque) })).toBe('ERR_DPOP_PROOF');
    expect(() => authorizerWith({ ...opaque, dpop: {} })).toThrow(TypeError);
  });
});

describe('the memory of proofs', () => {
  it('is bounded, refuses when it is full of live ones, and frees itself', async () => {
    let now = NOW;
    const claim = rememberProofs({ now: () => now }, 3);
    const until = new Date(NOW.getTime() + 60_000);
    const claims = await Promise.all(['a', 'b', 'c'].map((id) => claim(id, until, `holder of ${id}`)));
    expect(claims).toEqual([true, true, true]);
    await expect(claim('d', until, 'one')).rejects.toMatchObject({ code: 'ERR_DPOP_UNAVAILABLE' });
    expect(await claim('a', until, 'one')).toBe(false);
    now = new Date(NOW.getTime() + 61_000);
    expect(await claim('d', new Date(now.getTime() + 60_000), 'one')).toBe(true);
  });

  it('are not filled up by one holder for the others', async () => {
    let now = NOW;
    const claim = rememberProofs({ now: () => now }, 16);
    const until = () => new Date(now.getTime() + 60_000);
    const flood = async (from: number, holder: string) => {
      let taken = 0;
      for (let at = 0; at < 20; at += 1) {
        taken += await claim(`${holder}-${from}-${at}`, until(), holder).then(Number, () => 0);
      }
      return taken;
    };
    expect(await flood(0, 'greedy')).toBe(8);
    expect([await flood(0, 'other'), await flood(0, 'third')]).toEqual([4, 4]);
    now = new Date(NOW.getTime() + 61_000);
    expect(await flood(1, 'greedy')).toBe(8);
    expect(await flood(1, 'other')).toBe(4);
  });
});

/** A proof that the library would not sign. */
function forged({ claims, header, key: signer = key, alg = 'ES256' }: ProofChange): string {
  const base = { typ: 'dpop+jwt', alg, jwk: signer.jwk, ...header };
  const payload = { jti: 'forged', htm: 'GET', htu: URL_OF_API, iat: SECONDS, ath: hashOf(token), ...claims };
  const [head, body] = [base, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const data = Buffer.from(`${head}.${body}`);
  const options =
    alg === 'PS256'
      ? { key: signer.privateKey, padding: 6, saltLength: 32 }
      : { key: signer.privateKey, dsaEncoding: 'ieee-p1363' as const };
  return `${head}.${body}.${sign('sha256', data, options).toString('base64url')}`;
}
