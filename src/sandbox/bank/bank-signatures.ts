import { generateKeyPairSync } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, type JSONWebKeySet } from 'jose';
import type { RegisteredClients } from '../../index.ts';
import { createMessageSignatures, type MessageSignatures } from '../../resource-server/index.ts';

/** The signatures of the demo bank's signed route, and the public key of its answers. */
export interface BankSignatures {
  readonly signatures: MessageSignatures;
  readonly answerKeys: JSONWebKeySet;
}

/** Requests are verified with the registered keys of clients; answers are signed with a key of this start. */
export async function bankSignatures(
  origin: string,
  clients: Pick<RegisteredClients, 'find'>,
): Promise<BankSignatures> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  const keyId = await calculateJwkThumbprint(jwk);
  const signatures = createMessageSignatures({
    format: 'fapi-2',
    origin,
    keysOf: async ({ clientId }) => ({ keys: [...((await clients.find(clientId))?.jwks?.keys ?? [])] }),
    response: { keyId, privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() },
  });
  return { signatures, answerKeys: { keys: [{ ...jwk, kid: keyId, use: 'sig', alg: 'ES256' }] } };
}
