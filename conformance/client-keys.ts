import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';

/** Algorithms with which the suite can sign. Only an RSA key lets the suite try RS256, which must be refused. */
export const KEY_ALGORITHMS = ['PS256', 'ES256', 'EdDSA'] as const;
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number];

/** The signing key of a client: private for the suite, public for the registration. */
export interface ClientKey {
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

export async function createClientKey(algorithm: KeyAlgorithm): Promise<ClientKey> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const [secret, open] = await Promise.all([exportJWK(privateKey), exportJWK(publicKey)]);
  const facts = { kid: await calculateJwkThumbprint(open), use: 'sig', alg: algorithm };
  return { privateJwk: { ...secret, ...facts }, publicJwk: { ...open, ...facts } };
}
