import { timingSafeEqual } from 'node:crypto';
import { OpenBankingError } from '../../errors.ts';
import { hexPrefix } from '../../events.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';

/**
 * Proves that the presented certificate is the one that the token is bound to. A token that is bound to a DPoP key alone
 * has no `thumbprint`, and may come with any certificate or none.
 *
 * @throws ERR_CERT_MISSING, ERR_TOKEN_BINDING
 */
export function verifyBinding(
  thumbprint: string | undefined,
  presented: PresentedCertificate | undefined,
): void {
  if (thumbprint === undefined) return;
  if (presented === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
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
