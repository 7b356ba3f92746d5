import type { KeyObject } from 'node:crypto';

/** The algorithms that a service signs with. */
export type ServiceAlgorithm = 'ES256' | 'PS256';

/** A service that keeps private keys and signs with them. One more service is one more implementation of this. */
export interface KeyService {
  /** Why no signature can be made now. */
  readonly problem: string | undefined;
  /** The public half of a key. @throws ERR_SIGNING_UNAVAILABLE */
  publicKey(keyId: string): Promise<KeyObject>;
  /** The signature over a SHA-256 digest in the form of JWS (RFC 7518 §3). @throws ERR_SIGNING_UNAVAILABLE */
  sign(keyId: string, alg: ServiceAlgorithm, digest: Buffer): Promise<Buffer>;
  close(): Promise<void>;
}
