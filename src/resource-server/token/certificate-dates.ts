import { OpenBankingError } from '../../errors.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';

/** First and last moment of a certificate, in milliseconds since the epoch. */
export interface CertificateDates {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** OpenSSL makes the text of a date anew each time that it is asked: 10 µs. */
const read = new WeakMap<PresentedCertificate, CertificateDates>();

export function certificateDates(presented: PresentedCertificate): CertificateDates {
  const known = read.get(presented);
  if (known !== undefined) return known;
  const dates = {
    notBefore: presented.certificate.validFromDate.getTime(),
    notAfter: presented.certificate.validToDate.getTime(),
  };
  read.set(presented, dates);
  return dates;
}

/**
 * Proves that the certificate is valid now. A connection, and a token, may outlive it (RFC 8705 §6.3).
 *
 * @throws ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID
 */
export function verifyCertificateDates(presented: PresentedCertificate, now: number): void {
  const { notBefore, notAfter } = certificateDates(presented);
  if (now > notAfter) {
    const details = { subject: subjectOf(presented), notAfter: new Date(notAfter), at: new Date(now) };
    throw new OpenBankingError('ERR_CERT_EXPIRED', details);
  }
  if (now < notBefore) {
    const details = { subject: subjectOf(presented), notBefore: new Date(notBefore), at: new Date(now) };
    throw new OpenBankingError('ERR_CERT_NOT_YET_VALID', details);
  }
}

function subjectOf({ certificate }: PresentedCertificate): string {
  return certificate.subject.replaceAll('\n', ', ');
}
