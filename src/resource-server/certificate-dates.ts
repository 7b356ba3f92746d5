import { OpenBankingError } from '../errors.ts';
import type { PresentedCertificate } from '../mutual-tls/client-certificate.ts';

/** First and last moment of a certificate, in milliseconds since the epoch. */
export interface CertificateDates {
  readonly notBefore: number;
  readonly notAfter: number;
}

export function certificateDates({ certificate }: PresentedCertificate): CertificateDates {
  return {
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

/**
 * Proves that the certificate is valid now. A connection, and a token, may outlive it (RFC 8705 §6.3).
 *
 * @throws ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID
 */
export function verifyCertificateDates(presented: PresentedCertificate, now: number): void {
  const { notBefore, notAfter } = certificateDates(presented);
  const subject = presented.certificate.subject.replaceAll('\n', ', ');
  if (now > notAfter) {
    const details = { subject, notAfter: new Date(notAfter), at: new Date(now) };
    throw new OpenBankingError('ERR_CERT_EXPIRED', details);
  }
  if (now < notBefore) {
    const details = { subject, notBefore: new Date(notBefore), at: new Date(now) };
    throw new OpenBankingError('ERR_CERT_NOT_YET_VALID', details);
  }
}
