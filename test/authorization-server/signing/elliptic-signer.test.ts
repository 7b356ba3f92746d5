import { generateKeyPairSync, verify } from 'node:crypto';
import { exportJWK } from 'jose';
import { expect, it } from 'vitest';
import { EllipticSigner } from '../../../src/authorization-server/signing/elliptic-signer.ts';

it('signs ES256 as JWS has it, whatever the lengths of r and s (RFC 7518 §3.4)', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = new EllipticSigner({ ...(await exportJWK(privateKey)), kid: 'a' });
  expect(signer.kty).toBe('EC');
  // One r or s of 256 begins with a zero byte, one of two has a byte more in DER.
  for (let at = 0; at < 2000; at += 1) {
    const data = Buffer.from(`data ${at}`);
    const signature = await signer.sign(data);
    expect(signature).toHaveLength(64);
    expect(verify('sha256', data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
  }
});
