import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { importJWK, type JWK, SignJWT } from 'jose';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import type { SandboxDescription } from '../../src/sandbox/folder.ts';

/** The parameters by which a client authenticates with the key of its TPP, money-one by default (RFC 7523). */
export async function signedForm(
  description: SandboxDescription,
  clientId: string,
  tpp = 'money-one',
): Promise<Record<string, string>> {
  const jwk: JWK = JSON.parse(readFileSync(tppNamed(description, tpp).signingKeyFile, 'utf8'));
  return {
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({ jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: String(jwk.kid) })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(description.issuer)
      .setExpirationTime('1m')
      .sign(await importJWK(jwk, 'ES256')),
  };
}
