import { createHmac, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keyedHash } from '../../src/storage/record-protection.ts';

describe('a keyed hash (RFC 2104)', () => {
  it.each([1, 32, 63, 64])('is the HMAC-SHA-256 of OpenSSL with a key of %i bytes', (bytes) => {
    const key = randomBytes(bytes);
    const hash = keyedHash(key);
    for (const text of ['', 'AccessToken\0abc', 'é€😀', 'x'.repeat(5000)]) {
      expect(hash(text)).toBe(createHmac('sha256', key).update(text).digest('base64url'));
    }
  });

  it('takes no key that would have to be hashed first', () => {
    expect(() => keyedHash(randomBytes(65))).toThrow(TypeError);
  });
});
