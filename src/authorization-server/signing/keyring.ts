import type { Decrypter } from './decrypter.ts';
import type { KeyState } from './key-states.ts';
import type { FollowedSigner } from './signer.ts';

/** How long new keys are only published: longer than a copy of the JWKS is kept (300 s), and than servers need to find them. */
export const PUBLISHED_AHEAD_SECONDS = 600;

/** The order for a rotation. */
export interface RotationOrder {
  /** From making the new keys to their first signature. */
  readonly delaySeconds: number;
  /** The old keys are known to others: the new ones sign at once, and every signature of the old ones is refused. */
  readonly isCompromised?: boolean;
  /** Makes keys for encryption to this server, where there are none. Where there are some, they rotate as well. */
  readonly withEncryption?: boolean;
  /** Keys that were made in the KMS. Other places make the new keys themselves. */
  readonly keyIds?: readonly string[];
}

/** The place where the keys of this server are kept: a file, a PKCS#11 token or a KMS. */
export interface KeyPlace {
  /** Every key of the place with its present state. */
  states(): Promise<readonly KeyState[]>;
  /**
   * Adds new keys, which every running server publishes at once, and removes those whose signatures have all expired.
   *
   * @throws ERR_CONFIG_INVALID when the place cannot be read, or the order does not suit it
   */
  rotate(order: RotationOrder): Promise<readonly KeyState[]>;
  close(): Promise<void>;
}

/** Everything that this server signs or decrypts with. */
export interface Keyring extends FollowedSigner, KeyPlace {
  readonly encryption: Decrypter;
  readonly problem: string | undefined;
}
