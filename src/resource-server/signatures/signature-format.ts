import type { Authorization } from '../token/access-token.ts';
import type { RequestFacts } from '../token/presented-token.ts';

/** A request whose body has been received in full, byte for byte. */
export interface ReceivedRequest extends RequestFacts {
  readonly body: Uint8Array;
}

/** The sender of a request, as its access token proves it, and the time of the check. */
export interface SignedBy {
  readonly authorization: Authorization;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** A verified signature of a request. */
export interface SignatureProof {
  /** The name of the client's key, or the serial number of its seal. */
  readonly keyId: string;
  /** The components, fields or parts of the message that the signature covers. */
  readonly covered: readonly string[];
}

/** A verified signature, and the facts by which a repetition is known. */
export interface VerifiedSignature extends SignatureProof {
  /** The name of this one message among those of its client; undefined when it has none. */
  readonly uniqueName: string | undefined;
  /** Seconds since the epoch after which the signature is refused for its age; undefined when it has no age. */
  readonly staleFrom: number | undefined;
}

/** An answer that is about to be sent. */
export interface AnswerToSign {
  readonly status: number;
  readonly body: Uint8Array;
  /** The value of a field, by its name in lower case. */
  field(name: string): string | undefined;
  /** The request that is answered. */
  readonly request: RequestFacts;
}

/** The bank's key: the only part that sees it is `sign`. */
export interface AnswerSigner {
  readonly keyId: string;
  readonly algorithm: 'ES256' | 'PS256' | 'EdDSA';
  /** Signs bytes by the algorithm; for ES256 in the form of JWS, r and s side by side (RFC 7518 §3.4). */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** One way in which HTTP messages are signed. */
export interface SignatureFormat {
  /** Whether the request claims to be signed in this format. */
  isSigned(request: RequestFacts): boolean;
  /** Whether a request without a signature leaves something unsigned; a format may have nothing to sign in it. */
  isNeeded(request: ReceivedRequest): boolean;
  /** @throws ERR_SIGNATURE_* */
  verifyRequest(request: ReceivedRequest, by: SignedBy): Promise<VerifiedSignature>;
  /** The fields that sign an answer; undefined when the format signs no answers. */
  signAnswer?(answer: AnswerToSign, signer: AnswerSigner, now: number): Promise<SignedFields> | SignedFields;
}

export type SignedFields = Readonly<Record<string, string>>;
