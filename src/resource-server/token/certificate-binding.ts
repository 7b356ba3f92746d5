import { timingSafeEqual } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';
import { hexPrefix } from '../../events.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';

/** 32 bytes in base64url without padding, and no other spelling of them. */
const DIGEST = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** The confirmations that the presenter of a token must prove, all of them (RFC 7800). */
export interface Confirmation {
  /** `x5t#S256` of the certificate. */
  readonly thumbprint: string;
  /** RFC 7638 thumbprint of a DPoP key (RFC 9449 §6). */
  readonly jkt?: string;
}

/**
 * Reads the confirmation of a token: a certificate, and perhaps a DPoP key besides. Every confirmation must hold
 * (RFC 7800 §3.1), so a token with one that we do not know how to prove is refused.
 *
 * @throws ERR_TOKEN_UNBOUND
 * @see RFC 8705 §3.1
 */
export function parseConfirmation(confirmation: unknown): Confirmation {
  if (typeof confirmation !== 'object' || confirmation === null || Array.isArray(confirmation)) {
    throw unbound('cnf is missing or not an object');
  }
  if (!('x5t#S256' in confirmation)) throw unbound('cnf has no x5t#S256');
  const { 'x5t#S256': thumbprint, ...more } = confirmation;
  if (typeof thumbprint !== 'string' || !DIGEST.test(thumbprint)) {
    throw unbound('x5t#S256 is not 32 bytes in base64url');
  }
  if (Object.keys(more).length === 0) return Object.freeze({ thumbprint });
  if (Object.keys(more).length > 1 || !('jkt' in more)) {
    throw unbound('cnf has a member besides x5t#S256 and jkt');
  }
  const { jkt } = more;
  if (typeof jkt !== 'string' || !DIGEST.test(jkt)) throw unbound('jkt is not 32 bytes in base64url');
  return Object.freeze({ thumbprint, jkt });
}

/**
 * Proves that the presented certificate is the one that the token is bound to.
 *
 * @throws ERR_TOKEN_BINDING
 */
export function verifyBinding(thumbprint: string, presented: PresentedCertificate): void {
  if (!isSameDigest(thumbprint, presented.thumbprint)) {
    throw new OpenBankingError('ERR_TOKEN_BINDING', {
      bound: hexPrefix(thumbprint),
      presented: hexPrefix(presented.thumbprint),
    });
  }
}

/** Compares two digests in base64url by their bytes, in constant time. */
export function isSameDigest(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'base64url'), Buffer.from(other, 'base64url')];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Whether the certificate is valid at `now`, in milliseconds since the epoch. */
export function isWithinDates({ certificate }: PresentedCertificate, now: number): boolean {
  return now >= certificate.validFromDate.getTime() && now <= certificate.validToDate.getTime();
}

/**
 * Proves that the certificate is valid at `now`, in milliseconds since the epoch: a connection and a token may outlive
 * it (RFC 8705 §6.3).
 *
 * @throws ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID
 */
export function verifyCertificateDates(presented: PresentedCertificate, now: number): void {
  if (isWithinDates(presented, now)) return;
  const { validFromDate: notBefore, validToDate: notAfter } = presented.certificate;
  const subject = presented.certificate.subject.replaceAll('\n', ', ');
  const at = new Date(now);
  throw now > notAfter.getTime()
    ? new OpenBankingError('ERR_CERT_EXPIRED', { subject, notAfter, at })
    : new OpenBankingError('ERR_CERT_NOT_YET_VALID', { subject, notBefore, at });
}

function unbound(problem: string): OpenBankingError<'ERR_TOKEN_UNBOUND'> {
  return new OpenBankingError('ERR_TOKEN_UNBOUND', { problem });
}
