import type { JWK } from 'jose';

/** JWE algorithms that wrap or agree on a key (RFC 7518 §4.3, §4.6). RSA1_5, `dir` and passwords are not among them. */
export const ENCRYPTION_ALGORITHMS = Object.freeze(['RSA-OAEP-256', 'ECDH-ES'] as const);
export type EncryptionAlgorithm = (typeof ENCRYPTION_ALGORITHMS)[number];

/** JWE algorithms that encrypt the content (RFC 7518 §5). */
export const CONTENT_ENCRYPTIONS = Object.freeze(['A256GCM', 'A128CBC-HS256'] as const);
export type ContentEncryption = (typeof CONTENT_ENCRYPTIONS)[number];

/** A public JSON Web Key for encryption to this server, as the JWKS has it. */
export interface PublishedEncryptionKey extends JWK {
  readonly kid: string;
  readonly alg: EncryptionAlgorithm;
  readonly use: 'enc';
}

/**
 * The place where private keys are kept and decrypt: a file today (encryption-keys.ts). A PKCS#11 token or a KMS is one file
 * more that implements this. Whatever is encrypted to this server is decrypted here.
 */
export interface Decrypter {
  /** The keys to which clients encrypt at the moment: none where nothing can be encrypted to this server. */
  readonly keys: readonly PublishedEncryptionKey[];
  /**
   * The plaintext of a JWE in compact form, whose header the caller has checked.
   *
   * @throws TypeError when there is no such key, and an error of the implementation when the JWE is not of the key
   */
  decrypt(jwe: string, header: { readonly alg: EncryptionAlgorithm; readonly kid?: string }): Promise<string>;
}

export function isEncryptionAlgorithm(alg: unknown): alg is EncryptionAlgorithm {
  return ENCRYPTION_ALGORITHMS.some((one) => one === alg);
}

export function isContentEncryption(enc: unknown): enc is ContentEncryption {
  return CONTENT_ENCRYPTIONS.some((one) => one === enc);
}
