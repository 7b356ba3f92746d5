import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { compactVerify, exportJWK, importJWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { PrivateKeys } from '../../../src/authorization-server/signing/private-keys.ts';
import { signJwt } from '../../../src/authorization-server/signing/signer.ts';

describe('private keys in memory', () => {
  it('sign ES256 as JWS has it, whatever the lengths of r and s (RFC 7518 §3.4)', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signer = new PrivateKeys([{ ...(await exportJWK(privateKey)), kid: 'a', alg: 'ES256' }]);
    // One r or s of 256 begins with a zero byte, one of two has a byte more in DER.
    for (let at = 0; at < 2000; at += 1) {
      const data = Buffer.from(`data ${at}`);
      const signature = await signer.sign('a', data);
      expect(signature).toHaveLength(64);
      expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
    }
  });

  it.each([
    { alg: 'ES256', pair: generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
    { alg: 'PS256', pair: generateKeyPairSync('rsa', { modulusLength: 2048 }) },
    { alg: 'EdDSA', pair: generateKeyPairSync('ed25519') },
  ])('sign $alg so that others verify it, and publish nothing private', async ({ alg, pair }) => {
    const signer = new PrivateKeys([{ ...(await exportJWK(pair.privateKey)), kid: 'a', alg }]);
    const [key] = signer.keys;
    expect(key).toEqual({ ...(await exportJWK(createPublicKey(pair.privateKey))), kid: 'a', alg });
    const input = `${Buffer.from(JSON.stringify({ alg })).toString('base64url')}.e30`;
    const signature = (await signer.sign('a', Buffer.from(input))).toString('base64url');
    const { protectedHeader } = await compactVerify(`${input}.${signature}`, await importJWK(key ?? {}, alg));
    expect(protectedHeader).toEqual({ alg });
  });

  it('refuse a kid that is not theirs, and an algorithm that FAPI does not have', async () => {
    const jwk = await exportJWK(generateKeyPairSync('ed25519').privateKey);
    const signer = new PrivateKeys([{ ...jwk, kid: 'a', alg: 'EdDSA' }]);
    await expect(signer.sign('b', Buffer.from(''))).rejects.toThrow(TypeError);
    await expect(signJwt(signer, { typ: 'x', claims: {} })).rejects.toThrow('there is no ES256 key');
    expect(() => new PrivateKeys([{ ...jwk, kid: 'a', alg: 'RS256' }])).toThrow(TypeError);
    expect(() => new PrivateKeys([{ ...jwk, kid: 'a', alg: 'constructor' }])).toThrow(TypeError);
    expect(() => new PrivateKeys([{ ...jwk, alg: 'EdDSA' }])).toThrow(TypeError);
  });
});
