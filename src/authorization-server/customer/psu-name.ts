import { identifierHash } from '../../storage/record-protection.ts';

/**
 * The name of a customer in events: a hash under a key of the secret of the server. The same customer has the same name; no one
 * without the secret finds the customer.
 */
export function psuName(secret: Buffer): (psuId: string) => string {
  const hash = identifierHash(secret);
  return (psuId) => hash('psu', psuId);
}
