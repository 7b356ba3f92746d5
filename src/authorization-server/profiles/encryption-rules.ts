import type { JWK } from 'jose';
import type { ContentEncryption, EncryptionAlgorithm } from '../signing/decrypter.ts';
import type { Profile, RegistrationProblem } from './profile.ts';

/** The members of a registration by which a client asks for encryption (OpenID Connect Registration §2). */
export interface EncryptionChoices {
  readonly id_token_encrypted_response_alg?: EncryptionAlgorithm | undefined;
  readonly id_token_encrypted_response_enc?: ContentEncryption | undefined;
  /** Present: the client may encrypt its request objects, in this way only. */
  readonly request_object_encryption_alg?: EncryptionAlgorithm | undefined;
  readonly request_object_encryption_enc?: ContentEncryption | undefined;
}

interface JudgedChoices extends EncryptionChoices {
  readonly jwks?: { readonly keys: readonly JWK[] } | undefined;
  readonly jwks_uri?: string | undefined;
}

/** OpenID Connect Registration §2. */
const DEFAULT_ENC: ContentEncryption = 'A128CBC-HS256';
const PAIRS = [
  ['id_token_encrypted_response_alg', 'id_token_encrypted_response_enc'],
  ['request_object_encryption_alg', 'request_object_encryption_enc'],
] as const;
const CURVES: readonly unknown[] = ['P-256', 'P-384', 'P-521'];

/** The provider's metadata of a client whose ID tokens are encrypted. */
export function encryptionMetadata({
  id_token_encrypted_response_alg: alg,
  id_token_encrypted_response_enc: enc = DEFAULT_ENC,
}: EncryptionChoices) {
  return alg === undefined
    ? {}
    : { id_token_encrypted_response_alg: alg, id_token_encrypted_response_enc: enc };
}

/** How a client encrypts its request objects; undefined for one that does not. */
export function requestEncryptionOf({
  request_object_encryption_alg: alg,
  request_object_encryption_enc: enc = DEFAULT_ENC,
}: EncryptionChoices): { readonly alg: EncryptionAlgorithm; readonly enc: ContentEncryption } | undefined {
  return alg === undefined ? undefined : { alg, enc };
}

/** Which rules of encryption a registration breaks. */
export function encryptionProblems(profile: Profile, client: JudgedChoices): readonly RegistrationProblem[] {
  const ofPairs = PAIRS.flatMap(([alg, enc]): readonly RegistrationProblem[] => {
    if (client[alg] === undefined) {
      return client[enc] === undefined ? [] : [{ path: enc, message: `needs ${alg}` }];
    }
    return profile.encryption === 'never'
      ? [{ path: alg, message: `${profile.name} has no encryption` }]
      : [];
  });
  const alg = client.id_token_encrypted_response_alg;
  const isMissing =
    alg !== undefined &&
    client.jwks_uri === undefined &&
    client.jwks?.keys.some((key) => isFor(alg, key)) !== true;
  const message = `must hold a key with use enc for ${alg}`;
  return isMissing ? [...ofPairs, { path: 'jwks', message }] : ofPairs;
}

function isFor(algorithm: EncryptionAlgorithm, { kty, crv, alg, use }: JWK): boolean {
  const isOfType = algorithm === 'RSA-OAEP-256' ? kty === 'RSA' : kty === 'EC' && CURVES.includes(crv);
  return use === 'enc' && isOfType && (alg === undefined || alg === algorithm);
}
