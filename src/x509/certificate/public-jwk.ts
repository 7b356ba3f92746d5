import { createPublicKey, type KeyObject } from 'node:crypto';
import { DerError, DerReader } from '../der/der.ts';
import { findKeyProblem, keyProblemText } from './key-strength.ts';
import { parsePublicKey } from './public-key.ts';
import { isSoundJwk } from './sound-jwk.ts';

/** Members that only private or symmetric keys have (RFC 7518 §6). */
export const PRIVATE_MEMBERS: readonly string[] = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
/** The octets of a key whose curve says everything: OpenSSL has checked its point. */
const NONE = Buffer.alloc(0);

/**
 * Why a JSON Web Key must not be used as a public key: it is no key, it is private too, or it is weaker than
 * certificates may be; undefined for a good one. Needed because libraries import RSA keys with the exponent 1.
 *
 * @see RFC 7517, FAPI 2.0 §5.4
 */
export function findJwkProblem(jwk: Readonly<Record<string, unknown>>): string | undefined {
  const secret = PRIVATE_MEMBERS.find((name) => name in jwk);
  if (secret !== undefined) return `must be a public key: it holds "${secret}"`;
  if (isSoundJwk(jwk)) return undefined;
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const problem = findKeyProblem(key, key.asymmetricKeyType === 'rsa' ? octetsOf(key) : NONE);
    return problem && `is ${keyProblemText(problem)}`;
  } catch (error) {
    if (error instanceof DerError) return `is no public key: ${error.message}`;
    if (error instanceof Error && 'code' in error) return `is no public key: ${String(error.code)}`;
    throw error;
  }
}

function octetsOf(key: KeyObject): Buffer {
  const spki = key.export({ type: 'spki', format: 'der' });
  return parsePublicKey(new DerReader(spki).any()).octets;
}
