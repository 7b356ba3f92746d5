import { identifierHash } from '../storage/record-protection.ts';

/**
 * The field by which events name a customer: a hash under a key of the secret of the server. The same customer has the same
 * name; no one without the secret finds the customer. Empty where no customer is known yet.
 */
export function psuField(secret: Buffer, psuId: string | undefined): { readonly psu?: string } {
  return psuId === undefined ? {} : { psu: identifierHash(secret)('psu', psuId) };
}
