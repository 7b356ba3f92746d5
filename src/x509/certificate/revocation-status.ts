import { DerError, decodeInteger } from '../der/der.ts';

/** The status of one certificate at one time, by some evidence. */
export type RevocationStatus =
  | {
      readonly status: 'good';
      readonly source: 'crl' | 'ocsp';
      readonly thisUpdate: Date;
      /** The answer is good until then. */
      readonly nextUpdate?: Date | undefined;
    }
  | {
      readonly status: 'revoked';
      readonly source: 'crl' | 'ocsp';
      readonly revokedAt: Date;
      readonly reason: RevocationReason;
    }
  | {
      readonly status: 'unknown';
      readonly source: 'crl' | 'ocsp';
      /** Lower case, for the log. */
      readonly problem: string;
    };

/** By the number of the CRLReason, RFC 5280 §5.3.1, which leaves 7 out. */
const REASONS = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
] as const;

export type RevocationReason = NonNullable<(typeof REASONS)[number]>;

/** The reason of a number; undefined when no reason has it. */
export function findRevocationReason(number: number): RevocationReason | undefined {
  return REASONS[number];
}

/**
 * The reason in the content of a CRLReason, which is an ENUMERATED.
 *
 * @throws DerError
 */
export function decodeRevocationReason(content: Buffer): RevocationReason {
  const octets = decodeInteger(content);
  const reason = octets.length === 1 ? findRevocationReason(octets[0] ?? -1) : undefined;
  if (reason === undefined) throw new DerError('CRLReason is none of RFC 5280 §5.3.1');
  return reason;
}
