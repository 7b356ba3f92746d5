import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import type { PresentedCertificate } from '../../../src/mutual-tls/client-certificate.ts';
import { type Authorizer, createAuthorizer } from '../../../src/resource-server/index.ts';
import { thumbprintOf } from '../../mutual-tls/thumbprint.ts';
import { AUDIENCE, createTestCertificates, createTestIssuer, ISSUER, NOW } from '../issuer.ts';
import { createProofKey, type ProofKey, proofFor } from './test-proofs.ts';

const SECONDS = NOW.getTime() / 1000;
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
let authorizer: Authorizer;
let certificate: PresentedCertificate;
let key: ProofKey;
let token: string;

beforeAll(async () => {
  const [issuer, { one }] = await Promise.all([createTestIssuer(), createTestCertificates()]);
  const der = Buffer.from(one.der);
  certificate = { der, thumbprint: thumbprintOf(der), certificate: new X509Certificate(der) };
  key = await createProofKey();
  token = await issuer.token(certificate.thumbprint, { claims: { cnf: { jkt: key.jkt } } });
  authorizer = createAuthorizer({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: issuer.jwks,
    clock: { now: () => NOW },
    status: false,
    senderConstraints: ['dpop'],
  });
});

/** The code with which the request is refused, or `allowed`. Any other error fails the test. */
async function verdict(proof: string, change: { readonly method?: string; readonly url?: string } = {}) {
  const rawHeaders = ['Authorization', `DPoP ${token}`, 'DPoP', proof];
  const request = { method: 'GET', url: '/accounts', rawHeaders, certificate: undefined, ...change };
  try {
    await authorizer.authorize(request, { scopes: ['accounts'] });
    return 'allowed';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}

const RUNS = { numRuns: 150, seed: 20_261_129 };

describe('of a valid DPoP proof (L5, RFC 9449 §4.3)', () => {
  it('each other spelling is refused: a character changed, dropped, doubled or added', async () => {
    const proof = await proofFor(token, key);
    const mutation = fc.tuple(
      fc.nat({ max: proof.length - 1 }),
      fc.constantFrom(...BASE64URL, '=', '.', '+', '/', ' '),
      fc.constantFrom('change', 'drop', 'double', 'add'),
    );
    await fc.assert(
      fc.asyncProperty(mutation, async ([at, character, kind]) => {
        const [head, here, tail] = [proof.slice(0, at), proof.slice(at, at + 1), proof.slice(at + 1)];
        const middle = { change: character, drop: '', double: here + here, add: here + character }[kind];
        const mutated = head + middle + tail;
        fc.pre(mutated !== proof);
        expect(await verdict(mutated)).toBe('ERR_DPOP_PROOF');
      }),
      RUNS,
    );
    // Every last character, whose lowest bits a decoder may ignore.
    for (const last of BASE64URL) {
      const mutated = proof.slice(0, -1) + last;
      if (mutated !== proof) expect(await verdict(mutated)).toBe('ERR_DPOP_PROOF');
    }
    expect(await verdict(proof)).toBe('allowed');
  });

  it('each other value of a claim is refused, also when it is signed with the right key', async () => {
    const claim = fc.constantFrom('htm', 'htu', 'ath', 'iat', 'jti');
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string({ maxLength: 300 }),
      fc.webUrl(),
      fc.constant(undefined),
      fc.double({ noDefaultInfinity: true }).filter((one) => !(one >= SECONDS - 70 && one <= SECONDS + 10)),
    );
    await fc.assert(
      fc.asyncProperty(claim, value, async (name, changed) => {
        // Any text of 1 to 256 characters is a good jti.
        fc.pre(name !== 'jti' || typeof changed !== 'string' || changed === '' || changed.length > 256);
        const made = await proofFor(token, key, { [name]: changed });
        expect(await verdict(made)).toBe('ERR_DPOP_PROOF');
      }),
      RUNS,
    );
  });

  it('each other request is refused: method and path are those that were signed', async () => {
    const method = fc.constantFrom('POST', 'PUT', 'HEAD', 'get', 'Get', '');
    const path = fc
      .webPath()
      .map((one) => `/${one}`)
      .filter((one) => new URL(`${AUDIENCE}${one}`).pathname !== '/accounts');
    const request = fc.oneof(
      method.map((one) => ({ method: one })),
      path.map((url) => ({ url })),
    );
    await fc.assert(
      fc.asyncProperty(request, async (change) => {
        expect(await verdict(await proofFor(token, key), change)).toBe('ERR_DPOP_PROOF');
      }),
      RUNS,
    );
  });

  it('whatever else is in its place is refused, and never a fault', async () => {
    const part = fc.oneof(fc.json(), fc.string()).map((text) => Buffer.from(text).toString('base64url'));
    const junk = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.tuple(part, part, part).map((parts) => parts.join('.')),
    );
    await fc.assert(
      fc.asyncProperty(junk, async (proof) => {
        expect(await verdict(proof)).toBe('ERR_DPOP_PROOF');
      }),
      RUNS,
    );
  });

  it('claims and header members that are not known change nothing (RFC 9449 §4.2)', async () => {
    const extra = { exp: SECONDS + 60, nbf: SECONDS - 1, 'https://example.com/x': { y: 1 } };
    expect(await verdict(await proofFor(token, key, extra))).toBe('allowed');
  });
});
