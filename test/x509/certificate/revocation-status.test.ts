import { describe, expect, it } from 'vitest';
import { DerError } from '../../../src/x509/der/der.ts';
import {
  decodeRevocationReason,
  findRevocationReason,
  type RevocationStatus,
} from '../../../src/x509/certificate/revocation-status.ts';

describe('a revocation reason', () => {
  it('is read from its number (RFC 5280 §5.3.1)', () => {
    const reason = decodeRevocationReason(Buffer.from([1]));
    const status: RevocationStatus = { status: 'revoked', source: 'crl', revokedAt: new Date(0), reason };
    expect(status.reason).toBe('keyCompromise');
    expect(findRevocationReason(10)).toBe('aACompromise');
  });

  it.each([
    ['7, which is not used', [7]],
    ['above 10', [11]],
    ['negative', [0xff]],
    ['of no octet', []],
    ['padded', [0, 1]],
  ])('is refused when it is %s', (_what, octets) => {
    expect(() => decodeRevocationReason(Buffer.from(octets))).toThrow(DerError);
  });
});
