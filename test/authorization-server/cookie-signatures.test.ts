import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CookieSignatures } from '../../src/authorization-server/cookie-signatures.ts';

describe('signatures of cookies', () => {
  const signatures = new CookieSignatures(randomBytes(32));
  const cookie = '__Host-session=abc';
  const signature = signatures.sign(cookie);

  it('hold for the cookie that was signed', () => {
    expect(signatures.index(cookie, signature)).toBe(0);
    expect(signatures.verify(cookie, signature)).toBe(true);
  });

  it.each([
    ['another value', '__Host-session=abd', signature],
    ['another name', '__Secure-resume=abc', signature],
    ['a changed signature', cookie, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`],
    ['a part of the signature', cookie, signature.slice(0, -1)],
    ['more than the signature', cookie, `${signature}A`],
    ['the signature with a character of several bytes', cookie, `${signature.slice(0, -1)}é`],
    ['no signature', cookie, ''],
    ['another key', cookie, new CookieSignatures(randomBytes(32)).sign(cookie)],
  ])('do not hold with %s', (_name, given, over) => {
    expect(signatures.index(given, over)).toBe(-1);
    expect(signatures.verify(given, over)).toBe(false);
  });
});
