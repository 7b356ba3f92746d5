import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { AUDIENCE, NOW } from '../issuer.ts';

export interface ProofKey {
  readonly privateKey: KeyObject;
  readonly jwk: JWK;
  readonly jkt: string;
}

export async function createProofKey(): Promise<ProofKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  return { privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
}

let made = 0;

/** A proof for GET of /accounts, and for `token`. `claims` of undefined are left out. */
export async function proofFor(
  token: string,
  key: ProofKey,
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  made += 1;
  return new SignJWT({
    jti: `made-${made}`,
    htm: 'GET',
    htu: `${AUDIENCE}/accounts`,
    iat: NOW.getTime() / 1000,
    ath: createHash('sha256').update(token).digest('base64url'),
    ...claims,
  })
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk })
    .sign(key.privateKey);
}
