import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyType = 'ec-p256' | 'ec-p384' | 'ed25519' | 'rsa-2048' | 'rsa-1024';

/** A new key, or the given one. */
export async function keyOf(type: KeyType, privateKeyPem?: string): Promise<KeyObject> {
  if (privateKeyPem !== undefined) return createPrivateKey(privateKeyPem);
  const generate = promisify(generateKeyPair);
  switch (type) {
    case 'ec-p256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
    case 'ec-p384':
      return (await generate('ec', { namedCurve: 'P-384' })).privateKey;
    case 'ed25519':
      return (await generate('ed25519')).privateKey;
    case 'rsa-2048':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey;
    case 'rsa-1024':
      return (await generate('rsa', { modulusLength: 1024 })).privateKey;
  }
}

/** How Web Crypto names the signature algorithm of a key. */
export function algorithmOf(
  key: KeyObject,
  hash: string,
): { name: string; namedCurve?: string; hash?: string } {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { name: 'RSASSA-PKCS1-v1_5', hash };
    case 'ed25519':
      return { name: 'Ed25519' };
    default:
      return {
        name: 'ECDSA',
        namedCurve: key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256',
      };
  }
}

/** A private key as Web Crypto has it. */
export function cryptoKeyOf(key: KeyObject, hash: string) {
  return key.toCryptoKey(algorithmOf(key, hash), true, ['sign']);
}

/** The SubjectPublicKeyInfo of a key. */
export function spkiOf(key: KeyObject): ArrayBuffer {
  return bufferOf(createPublicKey(key).export({ type: 'spki', format: 'der' }));
}

/** Bytes in the type that Web Crypto accepts. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
