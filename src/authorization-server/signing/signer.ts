import type { JWK } from 'jose';

/** JWS algorithms of FAPI 2.0 §5.4.1. */
export type SignatureAlgorithm = 'PS256' | 'ES256' | 'EdDSA';

/** A public JSON Web Key, as the JWKS has it. */
export interface PublishedKey extends JWK {
  readonly kid: string;
  readonly alg: SignatureAlgorithm;
}

/**
 * The place where private keys are kept and sign: a file (private-keys.ts), a PKCS#11 token (pkcs11/pkcs11-keys.ts) or a KMS.
 * This port makes every signature of this server.
 */
export interface Signer {
  /** The keys that hold at the moment: the first of an algorithm signs, all are published. */
  readonly keys: readonly PublishedKey[];
  /**
   * The signature of the data in the form of JWS (RFC 7518 §3), by the algorithm of the key.
   *
   * @throws TypeError when there is no such key; ERR_SIGNING_UNAVAILABLE when the token or KMS does not answer
   */
  sign(kid: string, data: Buffer): Promise<Buffer>;
}

/** A signer whose keys change while the server runs. */
export interface FollowedSigner extends Signer {
  /** Why no signature can be made now; undefined where nothing is known against it. */
  readonly problem?: string | undefined;
  /** Calls `use` now, and whenever other keys hold, with the signer that has these keys. */
  follow(use: (keys: readonly PublishedKey[], signer: Pick<Signer, 'sign'>) => void): void;
  close(): Promise<void>;
}

/**
 * A JWT in compact form, signed by the key that signs ES256 now.
 *
 * @throws TypeError when there is none
 */
export async function signJwt(
  signer: Signer,
  { typ, claims }: { readonly typ?: string; readonly claims: Readonly<Record<string, unknown>> },
): Promise<string> {
  const key = signer.keys.find(({ alg }) => alg === 'ES256');
  if (key === undefined) throw new TypeError('there is no ES256 key');
  const input = `${encoded({ alg: key.alg, typ, kid: key.kid })}.${encoded(claims)}`;
  const signature = await signer.sign(key.kid, Buffer.from(input));
  return `${input}.${signature.toString('base64url')}`;
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
