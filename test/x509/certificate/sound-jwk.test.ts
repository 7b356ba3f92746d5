import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSoundJwk } from '../../../src/x509/certificate/sound-jwk.ts';

type Jwk = Readonly<Record<string, unknown>>;
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const ec = (namedCurve: string): Jwk => ({
  ...generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }),
});
const rsa = (modulusLength: number): Jwk => ({
  ...generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }),
});
const octets = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
const point = (x: bigint, y: bigint): Jwk => {
  const [xText, yText] = [x, y].map((one) => octets(one).toString('base64url'));
  return { kty: 'EC', crv: 'P-256', x: xText, y: yText };
};

function loads(jwk: Jwk): boolean {
  try {
    createPublicKey({ key: jwk, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}

/** A point of the curve with a small x: there x + p has 256 bits too. The square root works since p is 3 modulo 4. */
function smallPoint(): readonly [x: bigint, y: bigint] {
  for (let x = 1n; ; x += 1n) {
    const square = (x ** 3n - 3n * x + B) % P;
    const y = power(square, (P + 1n) / 4n);
    if ((y * y) % P === square) return [x, y];
  }
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, factor] = [1n, base];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest % 2n === 1n) result = (result * factor) % P;
    factor = (factor * factor) % P;
  }
  return result;
}

describe('a key that arithmetic proves (H11)', () => {
  it('is every good key of P-256 and RSA', () => {
    for (let at = 0; at < 20; at += 1) expect(isSoundJwk(ec('P-256'))).toBe(true);
    expect(isSoundJwk(rsa(2048))).toBe(true);
  });

  it('is a key for OpenSSL too: 1,000 points near the curve, each judged by both', () => {
    const good = ec('P-256');
    let sound = 0;
    for (let at = 0; at < 1000; at += 1) {
      const [x, y] = [Buffer.from(String(good.x), 'base64url'), Buffer.from(String(good.y), 'base64url')];
      const changed = at % 2 === 0 ? x : y;
      // Every fourth point stays on the curve.
      if (at % 4 !== 0) changed[at % 32] = randomBytes(1)[0] ?? 0;
      const jwk = { ...good, x: x.toString('base64url'), y: y.toString('base64url') };
      expect(isSoundJwk(jwk)).toBe(loads(jwk));
      if (isSoundJwk(jwk)) sound += 1;
    }
    expect(sound).toBeGreaterThanOrEqual(250);
  });

  it('has coordinates below the prime of its field', () => {
    const [x, y] = smallPoint();
    expect(isSoundJwk(point(x, y))).toBe(true);
    expect(isSoundJwk(point(x, P - y))).toBe(true);
    expect(isSoundJwk(point(x + P, y))).toBe(false);
    expect(isSoundJwk(point(x, P))).toBe(false);
    expect(isSoundJwk(point(0n, 0n))).toBe(false);
  });

  const P256 = ec('P-256');
  const RSA = rsa(2048);
  it.each<[title: string, jwk: Jwk]>([
    ['on another curve', ec('P-384')],
    ['of Ed25519', { ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) }],
    ['without a coordinate', { ...P256, y: undefined }],
    ['with a list for a coordinate', { ...P256, x: [P256.x] }],
    ['with a coordinate of 33 octets', { ...P256, x: `AA${P256.x}`.slice(0, 44) }],
    ['with padding', { ...P256, x: `${P256.x}=` }],
    ['with space', { ...P256, x: ` ${P256.x}` }],
    ['of RSA with 1024 bits', rsa(1024)],
    ['of RSA with the exponent 1', { ...RSA, e: 'AQ' }],
    ['of RSA with the exponent 3', { ...RSA, e: 'Aw' }],
    ['of RSA with an even modulus', { ...RSA, n: `${String(RSA.n).slice(0, -3)}AAA` }],
    ['of RSA without a modulus', { ...RSA, n: '' }],
    ['of no type', {}],
  ])('is none %s: OpenSSL judges it', (_title, jwk) => {
    expect(isSoundJwk(jwk)).toBe(false);
  });
});
