import { constants, createHash, createPublicKey, verify } from 'node:crypto';
import type { PublishedKey, Signer } from './signer.ts';

/** The digest over which a token or a KMS signs: both algorithms of theirs are over SHA-256. */
export function digestOf(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}

/** Whether a signature by the private half of a key verifies by its public half. */
export async function isProven(key: PublishedKey, signer: Pick<Signer, 'sign'>): Promise<boolean> {
  const data = Buffer.from(`tallystick key ${key.kid}`);
  const signature = await signer.sign(key.kid, data);
  const publicKey = { key: createPublicKey({ key, format: 'jwk' }) };
  return key.alg === 'ES256'
    ? verify('sha256', data, { ...publicKey, dsaEncoding: 'ieee-p1363' }, signature)
    : verify(
        'sha256',
        data,
        { ...publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
        signature,
      );
}
