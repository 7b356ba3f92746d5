import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { createProver, type ProofChange, type Prover } from '../dpop-prover.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

const CLIENT = 'money-one-mtls-certificate-and-dpop';
const now = () => Math.floor(Date.now() / 1000);
const codeIn = (json: Record<string, unknown>) => /^ERR_\w+/.exec(String(json.error_description ?? ''))?.[0];

let sandbox: TestSandbox;
let prover: Prover;
let other: Prover;
beforeAll(async () => {
  [sandbox, prover, other] = await Promise.all([startTestSandbox(), createProver(), createProver()]);
});
afterAll(() => sandbox.stop());

const at = (path: string) => `${sandbox.description.mtlsUrl}${path}`;
const FORMS = {
  '/token': { grant_type: 'client_credentials', scope: 'accounts' },
  '/par': {
    response_type: 'code',
    redirect_uri: DEMO_REDIRECT_URI,
    scope: 'openid accounts',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  },
} as const;
type Path = keyof typeof FORMS;

function post(path: string, headers: Record<string, string>, form: Record<string, string> = {}) {
  return sandbox.send(at(path), {
    method: 'POST',
    certificate: tppNamed(sandbox.description, 'money-one'),
    headers,
    body: new URLSearchParams({ client_id: CLIENT, ...FORMS[path as Path], ...form }),
  });
}

/** Every check of RFC 9449 §4.3 that needs no token, and the bounds of ours: the suite's list, and more. */
const BAD: Readonly<Record<string, (url: string) => Promise<string> | string>> = {
  'no JWT': () => 'x',
  'a JWT of four parts': async (url) => `${await prover.proof(url)}.x`,
  'another typ': (url) => prover.proof(url, undefined, { header: { typ: 'JWT' } }),
  'no typ': (url) => prover.proof(url, undefined, { header: { typ: undefined } }),
  'alg none': async (url) => withHeader(await prover.proof(url), { alg: 'none' }),
  RS256: async (url) => (await createProver('RS256')).proof(url),
  ES384: async (url) => (await createProver('ES384')).proof(url),
  'RSA of 1024 bits': async (url) =>
    withHeader(await prover.proof(url), { alg: 'PS256', jwk: { kty: 'RSA', e: 'AQAB', n: 'x'.repeat(171) } }),
  'no jwk': (url) => prover.proof(url, undefined, { header: { jwk: undefined } }),
  'a private key in jwk': (url) => prover.proof(url, undefined, { header: { jwk: prover.privateJwk } }),
  'a symmetric key in jwk': (url) =>
    prover.proof(url, undefined, { header: { jwk: { kty: 'oct', k: 'AAAA' } } }),
  'another key in jwk': (url) => prover.proof(url, undefined, { header: { jwk: other.publicJwk } }),
  'a signature that is cut': async (url) => (await prover.proof(url)).slice(0, -4),
  crit: async (url) => withHeader(await prover.proof(url), { crit: ['b64'], b64: true }),
  'no jti': (url) => prover.proof(url, undefined, { claims: { jti: undefined } }),
  'an empty jti': (url) => prover.proof(url, undefined, { claims: { jti: '' } }),
  'a jti that is a number': (url) => prover.proof(url, undefined, { claims: { jti: 7 } }),
  'a long jti': (url) => prover.proof(url, undefined, { claims: { jti: 'j'.repeat(257) } }),
  'no htm': (url) => prover.proof(url, undefined, { claims: { htm: undefined } }),
  'another htm': (url) => prover.proof(url, undefined, { claims: { htm: 'GET' } }),
  'htm in another case': (url) => prover.proof(url, undefined, { claims: { htm: 'post' } }),
  'no htu': (url) => prover.proof(url, undefined, { claims: { htu: undefined } }),
  'htu of another endpoint (I5)': (url) => prover.proof(`${url}x`),
  'htu of the other listener (I5)': (url) =>
    prover.proof(new URL(new URL(url).pathname, sandbox.description.issuer).href),
  'htu of another server (I5)': () => prover.proof('https://as.example/token'),
  'no iat': (url) => prover.proof(url, undefined, { claims: { iat: undefined } }),
  'iat as a text': (url) => prover.proof(url, undefined, { claims: { iat: String(now()) } }),
  'iat 80 seconds ago': (url) => prover.proof(url, undefined, { claims: { iat: now() - 80 } }),
  'iat an hour ago': (url) => prover.proof(url, undefined, { claims: { iat: now() - 3600 } }),
  'iat 20 seconds ahead': (url) => prover.proof(url, undefined, { claims: { iat: now() + 20 } }),
  'iat in a thousand years': (url) => prover.proof(url, undefined, { claims: { iat: 32_503_680_000 } }),
  'a nonce that this server never issued': (url) => prover.proof(url, undefined, { claims: { nonce: 'x' } }),
  'more than 4096 characters': (url) => prover.proof(url, undefined, { claims: { more: 'x'.repeat(4096) } }),
};

function withHeader(proof: string, change: Record<string, unknown>): string {
  const [header = '', ...rest] = proof.split('.');
  const changed = { ...JSON.parse(Buffer.from(header, 'base64url').toString()), ...change };
  return [Buffer.from(JSON.stringify(changed)).toString('base64url'), ...rest].join('.');
}

// First: the log thins out many refusals of one address.
describe('a refused DPoP proof', () => {
  it('is one event of the log, without the proof', async () => {
    const dpop = await prover.proof(at('/token'), undefined, { claims: { htm: 'GET' } });
    const requestId = (await post('/token', { dpop })).headers.get('x-request-id');
    const [event, ...more] = await sandbox.events({ requestId });
    expect(event).toMatchObject({ event: 'dpop.refused', code: 'ERR_DPOP_PROOF', clientId: CLIENT });
    expect(more).toEqual([]);
    expect(JSON.stringify(event)).not.toContain(dpop.slice(0, 40));
  });
});

describe.each(['/token', '/par'] as const)('a DPoP proof at %s', (path) => {
  it.each(Object.entries(BAD))('is refused with %s (L5, RFC 9449 §4.3)', async (_what, make) => {
    const { status, json } = await post(path, { dpop: await make(at(path)) });
    expect([status, json.error, codeIn(json)]).toEqual([400, 'invalid_dpop_proof', 'ERR_DPOP_PROOF']);
  });

  it.each<readonly [string, (url: string) => ProofChange & { readonly url?: string }]>([
    ['iat 10 seconds ago', () => ({ claims: { iat: now() - 10 } })],
    ['iat 60 seconds ago', () => ({ claims: { iat: now() - 60 } })],
    ['iat 8 seconds ahead', () => ({ claims: { iat: now() + 8 } })],
    ['nbf and exp', () => ({ claims: { nbf: now(), exp: now() + 60 } })],
    ['members that no standard has', () => ({ header: { more: 1 }, claims: { more: { x: 1 } } })],
    ['a query and a fragment in htu', (url) => ({ claims: { htu: `${url}?a=b#c` } })],
    [
      'capitals in the scheme and host of htu',
      (url) => ({ claims: { htu: url.replace('https://localhost', 'HTTPS://LocalHost') } }),
    ],
  ])('is accepted with %s', async (_what, change) => {
    const dpop = await prover.proof(at(path), undefined, change(at(path)));
    expect((await post(path, { dpop })).status).toBe(path === '/par' ? 201 : 200);
  });

  it('is accepted once, also of a hundred at the same moment (J8, L5, RFC 9449 §11.1)', async () => {
    const dpop = await prover.proof(at(path));
    const answers = await Promise.all(Array.from({ length: 100 }, () => post(path, { dpop })));
    const outcomes = answers.map(({ status, json }) => `${status} ${codeIn(json)}`);
    expect(outcomes.filter((one) => one === `${path === '/par' ? 201 : 200} undefined`)).toHaveLength(1);
    expect(outcomes.filter((one) => one === '400 ERR_DPOP_PROOF')).toHaveLength(99);
  });

  it('must be the only one', async () => {
    const dpop = [await prover.proof(at(path)), await prover.proof(at(path))];
    const certificate = tppNamed(sandbox.description, 'money-one');
    const request = httpsRequest(at(path), {
      method: 'POST',
      ca: readFileSync(sandbox.description.caFile),
      cert: readFileSync(certificate.certificateFile),
      key: readFileSync(certificate.keyFile),
      headers: { dpop, 'content-type': 'application/x-www-form-urlencoded' },
    });
    request.end(new URLSearchParams({ client_id: CLIENT, ...FORMS[path] }).toString());
    const [response] = await once(request, 'response');
    const body = await json(response);
    expect([response.statusCode, body]).toEqual([
      400,
      { error: 'invalid_dpop_proof', error_description: expect.stringContaining('more than one') },
    ]);
  });
});

describe('the binding of a pushed request to a DPoP key (RFC 9449 §10)', () => {
  it('fails when dpop_jkt is not the key of the proof (I5)', async () => {
    const { status, json } = await post(
      '/par',
      { dpop: await prover.proof(at('/par')) },
      { dpop_jkt: other.jkt },
    );
    expect([status, json.error, codeIn(json)]).toEqual([400, 'invalid_dpop_proof', 'ERR_DPOP_KEY']);
  });

  it.each(['', 'x', 'x'.repeat(44), `${'x'.repeat(42)}=`])(
    'takes no dpop_jkt of the form "%s"',
    async (jkt) => {
      const { status, json } = await post('/par', {}, { dpop_jkt: jkt });
      // A parameter without a value counts as absent (RFC 6749 §3.2).
      expect([status, codeIn(json)]).toEqual(jkt === '' ? [201, undefined] : [400, 'ERR_REQUEST_INVALID']);
    },
  );
});

describe('where no DPoP proof counts', () => {
  it.each(['/introspect', '/revoke'])('at %s it is refused by name (P14)', async (path) => {
    const { status, json } = await post(path, { dpop: await prover.proof(at(path)) }, { token: 'x' });
    expect([status, codeIn(json)]).toEqual([400, 'ERR_PARAMETER_UNSUPPORTED']);
  });

  it.each(['/token', '/par'] as const)(
    'at %s from a client that is bound to its certificate alone (P14)',
    async (path) => {
      const client_id = 'money-one-mtls';
      const proof = await post(path, { dpop: await prover.proof(at(path)) }, { client_id });
      expect([proof.status, proof.json.error, codeIn(proof.json)]).toEqual([
        400,
        'invalid_request',
        'ERR_DPOP_UNREGISTERED',
      ]);
      if (path === '/token') return;
      const jkt = await post(path, {}, { client_id, dpop_jkt: prover.jkt });
      expect([jkt.status, codeIn(jkt.json)]).toEqual([400, 'ERR_DPOP_UNREGISTERED']);
    },
  );

  it('a client that is bound to a key gets nothing without a proof (L5)', async () => {
    for (const client_id of [CLIENT, 'money-one-mtls-dpop']) {
      const { status, json } = await post('/token', {}, { client_id });
      expect([status, json.error, codeIn(json)]).toEqual([400, 'invalid_dpop_proof', 'ERR_DPOP_PROOF']);
    }
  });

  it('the jti of another client does not count as used (H14)', async () => {
    const jti = randomUUID();
    for (const client_id of [CLIENT, 'money-one-mtls-dpop']) {
      const dpop = await prover.proof(at('/token'), undefined, { claims: { jti } });
      expect((await post('/token', { dpop }, { client_id })).status).toBe(200);
    }
  });
});
