import { hash } from 'node:crypto';

/** Bytes of a block of SHA-256. */
const BLOCK_BYTES = 64;

/**
 * HMAC-SHA-256 in base64url (RFC 2104 §2), of two hashes in one call each. `createHmac` makes an object for every
 * message, which costs more than the hashing.
 *
 * @param key at most 64 bytes
 */
export function keyedHash(key: Buffer): (text: string) => string {
  if (key.length > BLOCK_BYTES) throw new TypeError('the key is longer than a block');
  const padded = (byte: number) =>
    Buffer.from(Array.from({ length: BLOCK_BYTES }, (_, at) => (key[at] ?? 0) ^ byte));
  const [inner, outer] = [padded(0x36), padded(0x5c)];
  return (text) => {
    const digest = hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer');
    return hash('sha256', Buffer.concat([outer, digest]), 'base64url');
  };
}
