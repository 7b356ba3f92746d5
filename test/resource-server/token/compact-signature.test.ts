import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { createLocalJWKSet, exportJWK, jwtVerify, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { isRefusal } from '../../../src/errors.ts';
import { verifyCompactSignature } from '../../../src/resource-server/token/compact-signature.ts';
import type { KeySource } from '../../../src/resource-server/token/issuer-keys.ts';

const ALGORITHMS = ['ES256', 'PS256', 'EdDSA'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

let pairs: Readonly<Record<Algorithm, { readonly privateKey: KeyObject; readonly publicKey: KeyObject }>>;
let keys: KeySource;
beforeAll(async () => {
  pairs = {
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    PS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
    EdDSA: generateKeyPairSync('ed25519'),
  };
  keys = createLocalJWKSet({
    keys: await Promise.all(
      ALGORITHMS.map(async (alg) => ({ ...(await exportJWK(pairs[alg].publicKey)), kid: alg, use: 'sig' })),
    ),
  });
});

const signedBy = (alg: Algorithm, header: Record<string, unknown> = {}, claims = { sub: 'ü' }) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg, kid: alg, typ: 'at+jwt', ...header })
    .sign(pairs[alg].privateKey);

async function verdict(token: string): Promise<string> {
  try {
    await verifyCompactSignature(token, { typ: 'at+jwt', keys });
    return 'verified';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    return (error as { readonly code?: string }).code ?? 'fault';
  }
}

/** A token signed over whatever header and payload, which no library would sign. */
function forged(header: string, payload: string, key: KeyObject): string {
  const signed = [header, payload].map((part) => Buffer.from(part).toString('base64url')).join('.');
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}

describe('the signature of a compact JWT', () => {
  it.each(ALGORITHMS)('verifies for %s, and not when a byte of it is another', async (alg) => {
    for (let round = 0; round < (alg === 'ES256' ? 600 : 5); round += 1) {
      const token = await signedBy(alg, {}, { sub: `ü${round}` });
      const claims = await verifyCompactSignature(token, { typ: 'at+jwt', keys });
      expect(claims).toEqual({ sub: `ü${round}` });
    }
    const token = await signedBy(alg);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const bytes = Buffer.from(signature, 'base64url');
    bytes[7] = (bytes[7] ?? 0) ^ 1;
    expect(await verdict(`${header}.${payload}.${bytes.toString('base64url')}`)).toBe('ERR_TOKEN_INVALID');
    expect(await verdict(`${header}.${payload.slice(0, -4)}.${signature}`)).toBe('ERR_TOKEN_INVALID');
  });

  it('is read in its one spelling only (H17, RFC 4648 §3.5)', async () => {
    const token = await signedBy('ES256');
    const last = token.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const twin = alphabet[alphabet.indexOf(last) + 1] ?? '';
    const spellings = [
      `${token}=`,
      `${token}==`,
      `${token} `,
      `${token}\n`,
      token.slice(0, -1) + twin,
      token.replaceAll('-', '+').replaceAll('_', '/'),
      `${token}.`,
      `.${token}`,
      token.replace('.', '..'),
    ];
    for (const spelling of spellings.filter((one) => one !== token)) {
      expect([spelling, await verdict(spelling)]).toEqual([spelling, 'ERR_TOKEN_INVALID']);
    }
    expect(await verdict(token)).toBe('verified');
  });

  it('takes no other algorithm than the key has, and no key that the header brings (L9, RFC 8725 §3.1)', async () => {
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = await exportJWK(stranger.publicKey);
    const payload = '{"sub":"x"}';
    const headers = [
      { alg: 'none', kid: 'ES256', typ: 'at+jwt' },
      { alg: 'HS256', kid: 'ES256', typ: 'at+jwt' },
      { alg: 'ES384', kid: 'ES256', typ: 'at+jwt' },
      { alg: 'PS256', kid: 'ES256', typ: 'at+jwt' },
      { alg: 'EdDSA', kid: 'ES256', typ: 'at+jwt' },
      { alg: 'ES256', kid: 'ES256', typ: 'JWT' },
      { alg: 'ES256', kid: 'ES256' },
      { alg: 'ES256', kid: 'ES256', typ: 'at+jwt', crit: ['x'], x: 1 },
      { alg: 'ES256', kid: 'ES256', typ: 'at+jwt', crit: ['b64'], b64: false },
      { alg: 'ES256', kid: 'ES256', typ: 'at+jwt', b64: true },
      { alg: ['ES256'], kid: 'ES256', typ: 'at+jwt' },
    ];
    for (const header of headers) {
      const code = await verdict(forged(JSON.stringify(header), payload, pairs.ES256.privateKey));
      expect([header, code]).toEqual([header, expect.stringMatching(/^ERR_(TOKEN_INVALID|JW)/)]);
    }
    const brought = { alg: 'ES256', kid: 'ES256', typ: 'at+jwt', jwk, jku: 'https://evil.example/jwks' };
    expect(await verdict(forged(JSON.stringify(brought), payload, stranger.privateKey))).toBe(
      'ERR_TOKEN_INVALID',
    );
    const good = JSON.stringify({ alg: 'ES256', kid: 'ES256', typ: 'at+jwt' });
    for (const odd of ['[]', 'null', '1', '"x"', '{', '', '\u{feff}{}']) {
      expect([odd, await verdict(forged(good, odd, pairs.ES256.privateKey))]).toEqual([
        odd,
        'ERR_TOKEN_INVALID',
      ]);
      expect(await verdict(forged(odd, payload, pairs.ES256.privateKey))).toBe('ERR_TOKEN_INVALID');
    }
  });

  it('is never believed where jose refuses it (property)', async () => {
    const tokens = await Promise.all(ALGORITHMS.map((alg) => signedBy(alg)));
    const mutation = fc.record({
      token: fc.constantFrom(...tokens),
      at: fc.nat({ max: 500 }),
      insert: fc.constantFrom('', '.', 'A', '-', '=', 'e30', '\0'),
      remove: fc.nat({ max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(mutation, async ({ token, at, insert, remove }) => {
        const place = at % token.length;
        const mutant = token.slice(0, place) + insert + token.slice(place + remove);
        const ours = await verdict(mutant);
        expect(ours).not.toBe('fault');
        if (ours !== 'verified') return;
        await jwtVerify(mutant, keys, { typ: 'at+jwt', algorithms: [...ALGORITHMS] });
      }),
      { numRuns: 2000, seed: 7 },
    );
  });
});
