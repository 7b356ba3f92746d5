import { createHash, randomUUID } from 'node:crypto';
import {
  calculateJwkThumbprint,
  CompactSign,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
} from 'jose';

/** What a proof says beyond, or instead of, a good one. An undefined member is left out. */
export interface ProofChange {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** The holder of a DPoP key. */
export interface Prover {
  readonly jkt: string;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
  /** A proof for a POST to `url`, with the hash of a token if one is given. */
  proof(url: string, token?: string, change?: ProofChange): Promise<string>;
}

export async function createProver(alg = 'ES256', options: object = {}): Promise<Prover> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
  const [publicJwk, privateJwk] = [await exportJWK(publicKey), await exportJWK(privateKey)];
  return {
    jkt: await calculateJwkThumbprint(publicJwk),
    publicJwk,
    privateJwk,
    proof: (url, token, { header = {}, claims = {} } = {}) => {
      const payload: JWTPayload = {
        jti: randomUUID(),
        htm: 'POST',
        htu: url,
        iat: Math.floor(Date.now() / 1000),
        ...(token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') }),
        ...claims,
      };
      return new CompactSign(Buffer.from(JSON.stringify(payload)))
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk: publicJwk, ...header })
        .sign(privateKey);
    },
  };
}
