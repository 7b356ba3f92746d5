import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export type KeyType = 'ec-p256' | 'rsa-2048' | 'rsa-1024';

/** A new key, or the given one. */
export async function keyOf(type: KeyType, privateKeyPem?: string): Promise<KeyObject> {
  if (privateKeyPem !== undefined) return createPrivateKey(privateKeyPem);
  const generate = promisify(generateKeyPair);
  if (type === 'ec-p256') return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
  return (await generate('rsa', { modulusLength: type === 'rsa-2048' ? 2048 : 1024 })).privateKey;
}

/** How Web Crypto names the signature algorithm of a key. */
export function algorithmOf(key: KeyObject, hash: string) {
  return key.asymmetricKeyType === 'rsa'
    ? { name: 'RSASSA-PKCS1-v1_5', hash }
    : { name: 'ECDSA', namedCurve: 'P-256', hash };
}

/** The SubjectPublicKeyInfo of a key. */
export function spkiOf(key: KeyObject): ArrayBuffer {
  return bufferOf(createPublicKey(key).export({ type: 'spki', format: 'der' }));
}

/** Bytes in the type that Web Crypto accepts. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
