import { identifierHash } from '../storage/record-protection.ts';

/** Of each secret: making one for each event is 4.5 % of a whole code flow. */
const hashes = new WeakMap<Buffer, ReturnType<typeof identifierHash>>();

/**
 * The field by which events name a customer: a hash under a key of the secret of the server. The same customer has the same
 * name; no one without the secret finds the customer. Empty where no customer is known yet.
 */
export function psuField(secret: Buffer, psuId: string | undefined): { readonly psu?: string } {
  if (psuId === undefined) return {};
  const hash = hashes.get(secret) ?? identifierHash(secret);
  hashes.set(secret, hash);
  return { psu: hash('psu', psuId) };
}
