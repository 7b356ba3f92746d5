import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { findJwkProblem } from '../../../src/x509/certificate/public-jwk.ts';

const jwkOf = (key: KeyObject): Record<string, unknown> => ({ ...key.export({ format: 'jwk' }) });
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const P256 = jwkOf(ec('P-256').publicKey);
const RSA = jwkOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey);

describe('a JSON Web Key of a stranger (H11)', () => {
  it.each<[title: string, jwk: Record<string, unknown>]>([
    ['P-256', P256],
    ['RSA of 2048 bits', RSA],
    ['Ed25519', jwkOf(generateKeyPairSync('ed25519').publicKey)],
  ])('of %s is good, whatever else it says', (_title, jwk) => {
    expect(
      findJwkProblem({ ...jwk, kid: '1', use: 'enc', alg: 'ES256', key_ops: ['verify'] }),
    ).toBeUndefined();
  });

  it.each<[title: string, jwk: Record<string, unknown>, problem: RegExp]>([
    ['holds its private part', jwkOf(ec('P-256').privateKey), /holds "d"/],
    ['is symmetric', { kty: 'oct', k: 'AAAA' }, /holds "k"/],
    ['has the exponent 1', { ...RSA, e: 'AQ' }, /too weak: RSA exponent/],
    ['has the exponent 3', { ...RSA, e: 'Aw' }, /too weak: RSA exponent/],
    ['has 1024 bits', jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), /RSA 1024 bits/],
    ['is on a curve that nobody uses', jwkOf(ec('secp256k1').publicKey), /curve secp256k1/],
    ['is Ed448', jwkOf(generateKeyPairSync('ed448').publicKey), /ed448 key/],
    ['has a point that is not on its curve', { ...P256, x: P256.y, y: P256.x }, /no public key/],
    ['is of the wrong type', { ...P256, kty: 'RSA' }, /no public key/],
    ['lacks a part', { kty: 'EC', crv: 'P-256', x: P256.x }, /no public key/],
    ['is of no type', {}, /no public key/],
    ['has numbers for texts', { ...P256, x: 1, y: {} }, /no public key/],
  ])('that %s is refused', (_title, jwk, problem) => {
    expect(findJwkProblem(jwk)).toMatch(problem);
  });
});
