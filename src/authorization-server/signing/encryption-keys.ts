import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, compactDecrypt, exportJWK, type JWK } from 'jose';
import {
  CONTENT_ENCRYPTIONS,
  type Decrypter,
  type EncryptionAlgorithm,
  isEncryptionAlgorithm,
  type PublishedEncryptionKey,
} from './decrypter.ts';
import { publicMembers } from './private-keys.ts';

const generate = promisify(generateKeyPair);
const CURVES: readonly unknown[] = ['P-256', 'P-384', 'P-521'];
/** FAPI 1.0 Advanced §8.6. */
const MIN_MODULUS_BITS = 2048;

/** Makes a private key for each algorithm. */
export async function createEncryptionKeys(): Promise<readonly JWK[]> {
  const [rsa, elliptic] = await Promise.all([
    generate('rsa', { modulusLength: 3072 }),
    generate('ec', { namedCurve: 'P-256' }),
  ]);
  return Promise.all([
    encryptionJwk(rsa.privateKey, 'RSA-OAEP-256'),
    encryptionJwk(elliptic.privateKey, 'ECDH-ES'),
  ]);
}

async function encryptionJwk(privateKey: KeyObject, alg: EncryptionAlgorithm): Promise<JWK> {
  const jwk = await exportJWK(privateKey);
  return { ...jwk, alg, use: 'enc', kid: await calculateJwkThumbprint(jwk) };
}

/** Whether a key of the file is for encryption. */
export function isEncryptionKey({ alg, use }: JWK): boolean {
  return use === 'enc' && isEncryptionAlgorithm(alg);
}

/** Private keys in memory, which decrypt. Every key does, from before it is published until it leaves the file. */
export class EncryptionKeys implements Pick<Decrypter, 'decrypt'> {
  readonly #privateKeys: ReadonlyMap<string, { readonly alg: EncryptionAlgorithm; readonly key: KeyObject }>;

  /** Takes JSON Web Keys for encryption. @throws TypeError or an error of node:crypto for another */
  constructor(jwks: readonly JWK[]) {
    this.#privateKeys = new Map(
      jwks.map((jwk) => {
        const { kid, alg } = publishedEncryptionKey(jwk);
        return [kid, { alg, key: decryptionKey(jwk, alg) }];
      }),
    );
  }

  async decrypt(
    jwe: string,
    { alg, kid }: { readonly alg: EncryptionAlgorithm; readonly kid?: string },
  ): Promise<string> {
    const fitting = [...this.#privateKeys].filter(
      ([name, key]) => key.alg === alg && (kid === undefined || name === kid),
    );
    // A client that names no key may have any: the file holds two at most that matter.
    const [first, ...others] = fitting;
    if (first === undefined) throw new TypeError(`there is no key for ${alg}`);
    const attempt = async ([, { key }]: typeof first): Promise<string> => {
      const { plaintext } = await compactDecrypt(jwe, key, {
        keyManagementAlgorithms: [alg],
        contentEncryptionAlgorithms: [...CONTENT_ENCRYPTIONS],
        maxDecompressedLength: 0,
      });
      return Buffer.from(plaintext).toString('utf8');
    };
    return others.reduce((earlier, next) => earlier.catch(() => attempt(next)), attempt(first));
  }
}

/** The public part of a private key. */
export function publishedEncryptionKey(jwk: JWK): PublishedEncryptionKey {
  const { kid, alg } = jwk;
  if (kid === undefined || !isEncryptionAlgorithm(alg))
    throw new TypeError('the key has no kid or another alg');
  return { ...publicMembers(jwk), kid, alg, use: 'enc' };
}

function decryptionKey(jwk: JWK, alg: EncryptionAlgorithm): KeyObject {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const isFit =
    alg === 'RSA-OAEP-256'
      ? (key.asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_MODULUS_BITS
      : jwk.kty === 'EC' && CURVES.includes(jwk.crv);
  if (!isFit) throw new TypeError(`the key is too weak for ${alg}, or of another type`);
  return key;
}
