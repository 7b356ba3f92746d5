import { createPublicKey, sign } from 'node:crypto';
import express from 'express';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createMessageSignatures,
  createProtection,
  expressProtection,
  type FapiSignatureOptions,
  logTo,
  nodeProtection,
} from '../../../src/resource-server/index.ts';
import { AUDIENCE, createTestCertificates, NOW, serveOverTls } from '../issuer.ts';
import { CLOCK } from './glues.ts';
import { clientOf, received } from './signed-client.ts';
import { isSignedAnswer, signed, type SigningKey, signingKey } from './signed-request.ts';

const NO_KEYS = { format: 'fapi-2', origin: AUDIENCE, keysOf: () => ({ keys: [] }) } as const;

let own: SigningKey;
let certificates: Awaited<ReturnType<typeof createTestCertificates>>;

beforeAll(async () => {
  own = await signingKey('tpp-1');
  certificates = await createTestCertificates();
});

const signaturesOf = (change: Partial<FapiSignatureOptions> = {}) =>
  createMessageSignatures({ ...NO_KEYS, keysOf: () => ({ keys: [own.jwk] }), clock: CLOCK, ...change });
const requestOf = (change: Parameters<typeof signed>[2] = {}) =>
  signed({ token: 'token' }, own.privateKey, change);

describe('signatures of a route', () => {
  it('may be optional: one that is there is verified in full', async () => {
    const signatures = signaturesOf({ request: 'if-present' });
    const request = await requestOf();
    const { signature, 'signature-input': input, ...headers } = request.headers;
    expect(await signatures.verify(received({ ...request, headers }), clientOf())).toBeUndefined();
    expect(await signatures.verify(received(request), clientOf())).toEqual({
      keyId: 'tpp-1',
      covered: ['@method', '@target-uri', 'authorization', 'content-digest'],
    });
    const half = { ...request, headers: { ...headers, 'signature-input': String(input) } };
    await expect(signatures.verify(received(half), clientOf())).rejects.toMatchObject({
      code: 'ERR_SIGNATURE_MALFORMED',
    });
  });

  it('are accepted once where the route asks for it (Q5, RFC 9421 §7.2.2)', async () => {
    const signatures = signaturesOf({ once: true });
    const nonce = await requestOf({ parameters: { nonce: 'n-1' } });
    await signatures.verify(received(nonce), clientOf());
    const replayed = { code: 'ERR_SIGNATURE_REPLAYED' };
    await expect(signatures.verify(received(nonce), clientOf())).rejects.toMatchObject(replayed);
    // Signed anew, ECDSA gives other bytes: the nonce counts, not the signature.
    const again = await requestOf({ parameters: { nonce: 'n-1' } });
    await expect(signatures.verify(received(again), clientOf())).rejects.toMatchObject(replayed);
    await expect(signatures.verify(received(await requestOf()), clientOf())).rejects.toMatchObject(replayed);
    await signatures.verify(received(again), clientOf({ clientId: 'another' }));
  });

  it('are claimed in a memory of the API for all its processes', async () => {
    const claims: unknown[] = [];
    const once = async (...claim: readonly unknown[]) => claims.push(claim) === 1;
    const nonce = received(await requestOf({ parameters: { nonce: 'n-1' } }));
    await signaturesOf({ once }).verify(nonce, clientOf());
    await expect(signaturesOf({ once }).verify(nonce, clientOf())).rejects.toMatchObject({
      code: 'ERR_SIGNATURE_REPLAYED',
    });
    expect(claims).toEqual([
      [expect.stringMatching(/^[\w-]{43}$/), new Date(NOW.getTime() + 70_000), 'acme'],
      expect.anything(),
    ]);
  });

  it.each([
    ['cannot be had', () => Promise.reject(new Error('no network')), 'KEYS_UNAVAILABLE'],
    ['are no set', () => Promise.resolve(Object.create(null)), 'KEYS_UNAVAILABLE'],
    ['have a name twice', () => ({ keys: [own.jwk, { ...own.jwk }] }), 'KEY'],
    ['are for encryption', () => ({ keys: [{ ...own.jwk, use: 'enc' }] }), 'KEY'],
    [
      'are private (H11)',
      () => ({ keys: [own.privateKey.export({ format: 'jwk' })].map((jwk) => ({ ...jwk, kid: 'tpp-1' })) }),
      'KEY',
    ],
    ['are for another algorithm', () => ({ keys: [{ ...own.jwk, alg: 'PS256' }] }), 'ALGORITHM'],
  ])('are refused when the keys of the client %s', async (_name, keysOf, code) => {
    const request = received(await requestOf());
    await expect(signaturesOf({ keysOf }).verify(request, clientOf())).rejects.toMatchObject({
      code: `ERR_SIGNATURE_${code}`,
    });
  });

  it('must cover what the bank asks for besides', async () => {
    const signatures = signaturesOf({ covers: ['x-idempotency-key'] });
    const headers = { 'x-idempotency-key': 'i-1' };
    await expect(signatures.verify(received(await requestOf({ headers })), clientOf())).rejects.toMatchObject(
      {
        code: 'ERR_SIGNATURE_COVERAGE',
        details: { problem: '"x-idempotency-key" must be covered' },
      },
    );
  });

  it.each([
    ['no https origin', { ...NO_KEYS, origin: 'http://api.example' }],
    ['no keys', { ...NO_KEYS, keysOf: undefined }],
    ['an unknown format', { ...NO_KEYS, format: 'none' }],
    ['an unknown need', { ...NO_KEYS, request: 'maybe' }],
    ['an age that is no limit', { ...NO_KEYS, maxAgeSeconds: 301 }],
    ['a limit beyond memory', { ...NO_KEYS, maxBodyBytes: 2 ** 30 }],
    ['a key without a name', { ...NO_KEYS, response: { privateKeyPem: '' } }],
    [
      'an answer of an unknown algorithm',
      { ...NO_KEYS, response: { keyId: 'k', algorithm: 'RS256', sign: () => Buffer.alloc(0) } },
    ],
    ['seals of any CA', { format: 'berlin-group', seals: {} }],
    [
      'answers of the Berlin Group',
      { format: 'berlin-group', seals: { check: () => undefined }, response: {} },
    ],
    [
      'UK answers without an issuer',
      {
        ...NO_KEYS,
        format: 'uk-detached-jws',
        issuersOf: () => [],
        response: { keyId: 'k', algorithm: 'PS256', sign: () => Buffer.alloc(0) },
      },
    ],
    [
      'UK answers by ES256',
      {
        ...NO_KEYS,
        format: 'uk-detached-jws',
        issuersOf: () => [],
        response: {
          keyId: 'k',
          algorithm: 'ES256',
          sign: () => Buffer.alloc(0),
          issuer: 'i',
          trustAnchor: 't',
        },
      },
    ],
  ])('cannot be made with %s', (_name, options) => {
    expect(() => createMessageSignatures(options as FapiSignatureOptions)).toThrow(TypeError);
  });
});

describe('a route with signatures', () => {
  const protectionWith = (log: unknown[]) =>
    createProtection({
      // Another test has the real decision about tokens.
      authorizer: {
        authorizeNow: () => clientOf(),
        authorize: () => Promise.reject(new Error('not asked')),
        consentOf: () => Promise.reject(new Error('unused')),
        knowsConsents: false,
        accepted: { issuer: '', audience: '', senderConstraints: ['certificate'], isDpopVerified: false },
        close: () => Promise.resolve(),
      },
      clientCertificate: { from: 'socket' },
      log: logTo((name, _definition, { error }) => log.push([name, String(error)])),
    });

  it('fails loudly when a body parser was mounted before it', async () => {
    const log: unknown[] = [];
    const app = express();
    app.use(express.json());
    app.use(expressProtection(protectionWith(log), { scopes: [], roles: [], signatures: signaturesOf() }));
    const server = await serveOverTls(app, certificates);
    const { method, headers, body, path } = await requestOf();
    const sent = { certificate: certificates.one, method, headers, body: new Uint8Array(Buffer.from(body)) };
    const { status, json } = await server.send(path, sent);
    expect({ status, error: json.error }).toEqual({ status: 500, error: 'server_error' });
    expect(log).toEqual([['rs.unexpected', expect.stringContaining('mount the protection first')]]);
    await server.close();
  });

  it('signs with a key that is not here, and answers 503 while that key does not answer', async () => {
    const log: unknown[] = [];
    let isDown = false;
    const response = {
      keyId: 'bank-1',
      algorithm: 'ES256',
      sign: async (bytes: Uint8Array) => {
        if (isDown) throw new Error('the module does not answer');
        return sign('sha256', bytes, { key: own.privateKey, dsaEncoding: 'ieee-p1363' });
      },
    } as const;
    const needed = { scopes: [], roles: [], signatures: signaturesOf({ request: 'if-present', response }) };
    const listener = nodeProtection(protectionWith(log), needed, (request, answer) => {
      if (request.url === '/none') answer.writeHead(204, ['x-a', '1']).end();
      else answer.writeHead(201, 'Made', { 'content-type': 'text/plain', location: '/p/1' }).end('made');
    });
    const server = await serveOverTls(listener, certificates);
    const bank = { publicKey: createPublicKey(own.privateKey) };
    const get = (path: string) => ({ method: 'GET', path, body: '', headers: {} });
    for (const path of ['/none', '/p']) {
      const answer = await server.send(path, { certificate: certificates.one });
      expect(await isSignedAnswer(answer, get(path), bank)).toBe(true);
    }
    const made = await server.send('/p', { certificate: certificates.one });
    expect([made.status, made.text, made.headers.get('location')]).toEqual([201, 'made', '/p/1']);
    expect(made.headers.get('signature-input')).toContain('"location"');
    const head = await server.send('/p', { certificate: certificates.one, method: 'HEAD' });
    expect(await isSignedAnswer(head, { ...get('/p'), method: 'HEAD' }, bank)).toBe(true);
    expect(head.headers.get('content-digest')).toBeNull();
    isDown = true;
    const failed = await server.send('/p', { certificate: certificates.one });
    expect([failed.status, failed.headers.get('location')]).toEqual([503, null]);
    expect(log).toEqual([['rs.answer.unsigned', expect.stringContaining('ERR_SIGNATURE_SIGNER')]]);
    await server.close();
  });

  it('cannot be mounted with anything else as signatures', () => {
    const needed = { scopes: [], roles: [], signatures: JSON.parse('{"request":"required"}') };
    expect(() => expressProtection(protectionWith([]), needed)).toThrow(TypeError);
  });
});
