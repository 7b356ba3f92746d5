import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestCertificates, createTestIssuer, AUDIENCE, NOW, type TestServer } from '../issuer.ts';
import {
  bankKey,
  type BankKey,
  breakOff,
  CLOCK,
  type Glue,
  GLUES,
  sendInChunks,
  serveGlues,
  thumbprintOf,
} from './glues.ts';
import {
  digestOf,
  isSignedAnswer,
  signed,
  type SignedRequest,
  type SigningChange,
  type SigningKey,
  signingKey,
} from './signed-request.ts';

let certificates: Awaited<ReturnType<typeof createTestCertificates>>;
let served: Awaited<ReturnType<typeof serveGlues>>;
let token: string;
let [own, ed, rsa, other]: readonly (SigningKey | undefined)[] = [];
let bank: BankKey;

const must = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('not made yet');
  return value;
};
const privateKey = (key: SigningKey | undefined) => must(key).privateKey;
const padded = (length: number) => JSON.stringify({ pad: 'x'.repeat(length) });
const seconds = (by: number) => new Date(NOW.getTime() + by * 1000);

beforeAll(async () => {
  const issuer = await createTestIssuer();
  certificates = await createTestCertificates();
  bank = await bankKey();
  [own, ed, rsa, other] = await Promise.all([
    signingKey('tpp-1'),
    signingKey('tpp-ed', 'ed25519'),
    signingKey('tpp-rsa', 'rsa-pss-sha512'),
    signingKey('tpp-1'),
  ]);
  const keys: Readonly<Record<string, SigningKey[]>> = {
    acme: [must(own), must(ed), must(rsa)],
    rival: [{ ...must(other), jwk: { ...must(other).jwk, kid: 'rival-1' } }],
  };
  token = await issuer.token(thumbprintOf(certificates.one));
  served = await serveGlues(
    {
      format: 'fapi-2',
      origin: AUDIENCE,
      keysOf: ({ clientId }) => ({ keys: (keys[clientId] ?? []).map(({ jwk }) => jwk) }),
      response: { keyId: 'bank-1', privateKeyPem: bank.privateKeyPem },
      maxBodyBytes: 200_000,
      maxAnswerBytes: 300_000,
      clock: CLOCK,
    },
    { issuer, certificates },
  );
});
afterAll(async () => {
  await Promise.all(Object.values(served.servers).map((server) => server.close()));
});

const send = (server: TestServer, { path, method, headers, body }: SignedRequest) =>
  server.send(path, {
    certificate: certificates.one,
    method,
    headers,
    ...(body === '' ? {} : { body: new Uint8Array(Buffer.from(body)) }),
  });
const serverOf = (glue: Glue) => served.servers[glue];
const good = (change: SigningChange = {}) => signed({ token }, privateKey(own), change);

/** The code of the refusal, the status, and the one event of the log. */
async function refusalOf(glue: Glue, request: SignedRequest) {
  served.log.length = 0;
  const { status, json, headers } = await send(serverOf(glue), request);
  const code = /ERR_[A-Z_]+/.exec(String(json.error_description))?.[0];
  expect(served.log).toEqual([
    ['rs.signature.refused', expect.objectContaining({ code, status, clientId: 'acme' })],
  ]);
  expect(headers.get('www-authenticate')).toContain(code);
  return `${status} ${code}`;
}

describe.each(GLUES)('signed requests behind the %s glue', (glue) => {
  it('reach the handler with every byte, and their answers are signed for them (Q8, RFC 9421 §2.4)', async () => {
    for (const body of ['{"amount":"12.50"}', padded(150_000)]) {
      const request = await signed({ token, body }, privateKey(own));
      const answer = await send(serverOf(glue), request);
      expect({ status: answer.status, ...answer.json }).toEqual({ status: 200, body, keyId: 'tpp-1' });
      expect(answer.headers.get('cache-control')).toBe('no-store, no-transform');
      expect(await isSignedAnswer(answer, request, bank)).toBe(true);
      const others = await signed({ token, body, path: '/payments?dry=2' }, privateKey(own));
      expect(await isSignedAnswer(answer, others, bank)).toBe(false);
      expect(await isSignedAnswer({ ...answer, text: `${answer.text} ` }, request, bank)).toBe(false);
    }
  });

  it('without a body need no digest', async () => {
    const request = await signed({ token, method: 'GET', body: '' }, privateKey(own));
    const answer = await send(serverOf(glue), request);
    expect({ status: answer.status, ...answer.json }).toEqual({ status: 200, body: '', keyId: 'tpp-1' });
    expect(await isSignedAnswer(answer, request, bank)).toBe(true);
  });

  it('that arrive in chunks are verified over all of them', async () => {
    const request = await signed({ token, body: padded(100_000) }, privateKey(own));
    const answer = await sendInChunks(serverOf(glue).url, request, certificates);
    expect(answer).toEqual({ status: 200, body: request.body });
    const altered = { ...request, body: request.body.replace('"}', 'y"}') };
    expect(await sendInChunks(serverOf(glue).url, altered, certificates)).toEqual({ status: 401 });
  });

  it('that break off leave nothing behind: the next request is served (Q7)', async () => {
    served.log.length = 0;
    const request = await signed({ token, body: padded(100_000) }, privateKey(own));
    await breakOff(serverOf(glue).url, request, certificates);
    await vi.waitFor(() => expect(served.log).toHaveLength(1));
    expect(served.log[0]).toEqual([
      'rs.signature.refused',
      expect.objectContaining({ code: 'ERR_HTTP_MALFORMED' }),
    ]);
    expect((await send(serverOf(glue), request)).status).toBe(200);
  });

  it('with an altered body are refused before the handler (Q1)', async () => {
    const request = await good();
    expect(await refusalOf(glue, { ...request, body: '{"amount":"99.50"}' })).toBe(
      '401 ERR_SIGNATURE_DIGEST',
    );
    expect(await refusalOf(glue, { ...request, body: '' })).toBe('401 ERR_SIGNATURE_DIGEST');
  });

  it('are refused when another address, query or method was signed (Q2)', async () => {
    const request = await good();
    for (const change of [{ path: '/payments/1?dry=1' }, { path: '/payments?dry=0' }, { method: 'PUT' }]) {
      expect(await refusalOf(glue, { ...request, ...change })).toBe('401 ERR_SIGNATURE_INVALID');
    }
  });

  it('are required: an unsigned request is refused', async () => {
    const { headers, ...request } = await good();
    const { signature, 'signature-input': input, ...unsigned } = headers;
    expect(await refusalOf(glue, { ...request, headers: unsigned })).toBe('401 ERR_SIGNATURE_MISSING');
  });

  it('beyond the limit are refused with 413, and the next request is served (Q7)', async () => {
    const request = await signed({ token, body: padded(250_000) }, privateKey(own));
    const { status, json } = await send(serverOf(glue), request);
    expect(status).toBe(413);
    expect(json.error_description).toContain('ERR_HTTP_TOO_LARGE');
    expect((await send(serverOf(glue), await good())).status).toBe(200);
  });

  it('whose answer is too large to be signed get a 500 in its place, and the log says so (Q9)', async () => {
    served.log.length = 0;
    const request = await signed({ token, body: '{"answerBytes":400000}' }, privateKey(own));
    const { status, headers, json } = await send(serverOf(glue), request);
    expect(status).toBe(500);
    expect(json.filler).toBeUndefined();
    expect(headers.get('signature')).toBeNull();
    expect(served.log).toEqual([
      [
        'rs.answer.unsigned',
        expect.objectContaining({ code: 'ERR_SIGNATURE_ANSWER_TOO_LARGE', status: 500 }),
      ],
    ]);
  });
});

describe('a signature of RFC 9421 as FAPI has it', () => {
  const all = ['@method', '@target-uri', 'authorization', 'content-digest'];
  const without = (name: string) => all.filter((one) => one !== name);

  it.each<[string, () => SigningChange]>([
    ['Ed25519', () => ({ key: privateKey(ed), keyid: 'tpp-ed', alg: 'ed25519' })],
    [
      'RSA-PSS with SHA-512',
      () => ({
        key: privateKey(rsa),
        keyid: 'tpp-rsa',
        alg: 'rsa-pss-sha512',
        parameters: { alg: 'rsa-pss-sha512' },
      }),
    ],
    [
      'PS256, which has no name of RFC 9421',
      () => ({ key: privateKey(rsa), keyid: 'tpp-rsa', alg: 'PS256' }),
    ],
    ['a named algorithm', () => ({ parameters: { alg: 'ecdsa-p256-sha256' } })],
    [
      'more components',
      () => ({ fields: [...all, '@authority', '@path', '@query', '@scheme', 'content-type'] }),
    ],
    ['an age below the limit', () => ({ parameters: { created: seconds(-59) } })],
    ['an end in the future', () => ({ parameters: { expires: seconds(5) } })],
    ['a nonce', () => ({ parameters: { nonce: 'n-1' } })],
  ])('is accepted: %s', async (_name, change) => {
    const { status, json } = await send(served.servers.node, await good(change()));
    expect({ status, error: json.error_description }).toEqual({ status: 200, error: undefined });
  });

  it.each<[string, string, () => SigningChange]>([
    ['the method is not covered (Q3)', 'COVERAGE', () => ({ fields: without('@method') })],
    ['the address is not covered', 'COVERAGE', () => ({ fields: without('@target-uri') })],
    ['the token is not covered', 'COVERAGE', () => ({ fields: without('authorization') })],
    ['the digest is not covered', 'COVERAGE', () => ({ fields: without('content-digest') })],
    [
      'the path is covered in place of the address',
      'COVERAGE',
      () => ({ fields: [...without('@target-uri'), '@path'] }),
    ],
    ['created is stale (Q5)', 'TIME', () => ({ parameters: { created: seconds(-71) } })],
    ['created is in the future', 'TIME', () => ({ parameters: { created: seconds(11) } })],
    ['created is missing', 'TIME', () => ({ parameters: { created: undefined } })],
    ['expires has passed', 'TIME', () => ({ parameters: { expires: seconds(-1) } })],
    ['the tag is of answers', 'TAG', () => ({ parameters: { tag: 'fapi-2-response' } })],
    ['the tag is missing', 'TAG', () => ({ parameters: { tag: undefined } })],
    ['keyid is missing', 'MALFORMED', () => ({ parameters: { keyid: undefined } })],
    ['a parameter is unknown', 'MALFORMED', () => ({ parameters: { extra: 'x' } })],
    ['the algorithm is unknown', 'ALGORITHM', () => ({ parameters: { alg: 'rsa-v1_5-sha256' } })],
    ['the algorithm is symmetric', 'ALGORITHM', () => ({ parameters: { alg: 'hmac-sha256' } })],
    ['the algorithm is for another key', 'ALGORITHM', () => ({ parameters: { alg: 'ed25519' } })],
    ['the key is unknown', 'KEY', () => ({ keyid: 'tpp-9' })],
    ['the key is of another client (Q4)', 'KEY', () => ({ key: privateKey(other), keyid: 'rival-1' })],
    ['the key only has the name of one of this client', 'INVALID', () => ({ key: privateKey(other) })],
  ])('is refused: %s', async (_name, code, change) => {
    expect(await refusalOf('node', await good(change()))).toBe(`401 ERR_SIGNATURE_${code}`);
  });

  it.each<[string, string, (headers: Record<string, string>) => Record<string, string>]>([
    [
      'a label that comes twice (Q6)',
      'MALFORMED',
      (headers) => ({ signature: `${headers.signature}, ${headers.signature}` }),
    ],
    [
      'an input that comes twice',
      'MALFORMED',
      (headers) => ({ 'signature-input': `${headers['signature-input']}, ${headers['signature-input']}` }),
    ],
    [
      'a label without an input',
      'MALFORMED',
      (headers) => ({ signature: `${headers.signature}, sig2=:YQ==:` }),
    ],
    [
      'an input without a signature',
      'MALFORMED',
      (headers) => ({ 'signature-input': `${headers['signature-input']}, sig2=("@method")` }),
    ],
    [
      'another label',
      'MALFORMED',
      (headers) => ({ signature: `${headers.signature}`.replace('sig1', 'sig2') }),
    ],
    [
      'two signatures with the tag',
      'TAG',
      (headers) => ({
        signature: `${headers.signature}, ${headers.signature?.replace('sig1', 'sig2')}`,
        'signature-input': `${headers['signature-input']}, ${headers['signature-input']?.replace('sig1', 'sig2')}`,
      }),
    ],
    [
      'a component twice',
      'COVERAGE',
      (headers) => ({
        'signature-input': `${headers['signature-input']}`.replace('"@method"', '"@method" "@method"'),
      }),
    ],
    [
      'a component with a parameter',
      'COVERAGE',
      (headers) => ({
        'signature-input': `${headers['signature-input']}`.replace('"authorization"', '"authorization";bs'),
      }),
    ],
    [
      'an unknown component',
      'COVERAGE',
      (headers) => ({
        'signature-input': `${headers['signature-input']}`.replace(
          '"@method"',
          '"@method" "@query-param";name="dry"',
        ),
      }),
    ],
    [
      'a component of answers',
      'COVERAGE',
      (headers) => ({
        'signature-input': `${headers['signature-input']}`.replace('"@method"', '"@method" "@status"'),
      }),
    ],
    [
      'a field that is not there',
      'COVERAGE',
      (headers) => ({
        'signature-input': `${headers['signature-input']}`.replace('"@method"', '"@method" "x-none"'),
      }),
    ],
    ['a signature that is no base64', 'MALFORMED', () => ({ signature: 'sig1=:*:' })],
    ['a signature of no bytes', 'INVALID', () => ({ signature: 'sig1=::' })],
    ['a proof that the signature does not cover', 'COVERAGE', () => ({ dpop: 'a.b.c' })],
  ])('is refused: %s', async (_name, code, change) => {
    const request = await good();
    const headers = { ...request.headers, ...change(request.headers) };
    expect(await refusalOf('koa', { ...request, headers })).toBe(`401 ERR_SIGNATURE_${code}`);
  });

  it.each([
    [
      'a second digest is wrong (Q6)',
      (right: string) => `${right}, sha-512=:${Buffer.alloc(64).toString('base64')}:`,
    ],
    [
      'a second digest is of an unknown algorithm',
      (right: string) => `${right}, md5=:${Buffer.alloc(16).toString('base64')}:`,
    ],
    ['only a weak digest is there', () => 'md5=:e+Wb1gAZE3MA8Tk7LF1jcA==:'],
    ['the digest is no structured field', () => 'SHA-256=abc'],
  ])('is refused though it verifies: %s (RFC 9530 §2)', async (_name, digest) => {
    const body = '{"amount":"12.50"}';
    const headers = { 'content-digest': digest(digestOf(body)) };
    const request = await signed({ token, body }, privateKey(own), { headers });
    expect(await refusalOf('express', request)).toBe('401 ERR_SIGNATURE_DIGEST');
  });

  it('may stand beside a signature of a proxy, which has its own tag', async () => {
    const request = await good();
    const headers = {
      ...request.headers,
      signature: `proxy=:YQ==:, ${request.headers.signature}`,
      'signature-input': `proxy=("@method");tag="proxy", ${request.headers['signature-input']}`,
    };
    expect((await send(served.servers.fastify, { ...request, headers })).status).toBe(200);
  });

  it('is refused after any change of a covered byte (Q1, Q2)', async () => {
    const request = await good({ fields: [...all, 'content-type'] });
    const names = ['content-type', 'content-digest', 'signature', 'signature-input', 'body', 'path'] as const;
    const textOf = (name: (typeof names)[number]) =>
      name === 'body' || name === 'path' ? request[name] : must(request.headers[name]);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...names),
        fc.nat(),
        fc.constantFrom(...'aZ09=:/"'),
        async (name, where, character) => {
          const text = textOf(name);
          const at = name === 'path' ? 1 + (where % (text.length - 1)) : where % text.length;
          if (text[at] === character) return;
          const changed = `${text.slice(0, at)}${character}${text.slice(at + 1)}`;
          const altered =
            name === 'body' || name === 'path'
              ? { ...request, [name]: changed }
              : { ...request, headers: { ...request.headers, [name]: changed } };
          const { status } = await send(served.servers.node, altered);
          expect(status).toBe(401);
        },
      ),
      { numRuns: 60 },
    );
  });
});
