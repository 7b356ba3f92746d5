import { createPrivateKey } from 'node:crypto';
import { algorithmsOf, signBytes } from './signature-algorithm.ts';
import type { AnswerSigner } from './signature-format.ts';

/** The bank's key for answers: in PEM, or behind a function that signs. */
export type AnswerKey = AnswerSigner | { readonly keyId: string; readonly privateKeyPem: string };

/**
 * The signer of a key.
 *
 * @throws TypeError for a key or an algorithm of another kind than P-256 (ES256), RSA (PS256) and Ed25519 (EdDSA)
 */
export function answerSigner(given: AnswerKey): AnswerSigner {
  if (typeof given?.keyId !== 'string' || given.keyId === '')
    throw new TypeError('response.keyId is missing');
  if ('sign' in given) {
    if (!['ES256', 'PS256', 'EdDSA'].includes(given.algorithm)) {
      throw new TypeError('response.algorithm must be ES256, PS256 or EdDSA');
    }
    return given;
  }
  const key = createPrivateKey(given.privateKeyPem);
  const [algorithm] = algorithmsOf(key);
  if (algorithm === undefined || algorithm === 'PS512') {
    throw new TypeError('response.privateKeyPem must be a key of P-256, RSA or Ed25519');
  }
  return { keyId: given.keyId, algorithm, sign: (bytes) => signBytes(key, algorithm, bytes) };
}
