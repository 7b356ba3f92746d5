import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Certificate } from '../certificate/certificate.ts';
import { shownName } from '../certificate/distinguished-name.ts';
import type { RevocationStatus } from '../certificate/revocation-status.ts';

/** A status that decides; an undecided one is thrown. */
export type ProvenStatus = Exclude<RevocationStatus, { readonly status: 'unknown' }>;

/** Why a status could not be proven: the evidence is bad, or there is none. */
export type UnprovenStatus = OpenBankingError<
  'ERR_CERT_REVOCATION_INVALID' | 'ERR_CERT_REVOCATION_UNAVAILABLE'
>;

/** Evidence that proves nothing: forged, by the wrong signer, stale, or about something else. */
export function invalidEvidence(certificate: Certificate, ...problems: readonly string[]): UnprovenStatus {
  return new OpenBankingError('ERR_CERT_REVOCATION_INVALID', { ...whose(certificate), problems });
}

/** Evidence that cannot be had at the moment. */
export function noEvidence(certificate: Certificate, ...problems: readonly string[]): UnprovenStatus {
  return new OpenBankingError('ERR_CERT_REVOCATION_UNAVAILABLE', { ...whose(certificate), problems });
}

/** One reason for several: bad evidence outweighs evidence that cannot be had. */
export function unproven(certificate: Certificate, errors: readonly UnprovenStatus[]): UnprovenStatus {
  const problems = errors.flatMap(({ details }) => details.problems);
  const isBad = errors.some(({ code }) => code === 'ERR_CERT_REVOCATION_INVALID');
  return isBad ? invalidEvidence(certificate, ...problems) : noEvidence(certificate, ...problems);
}

export function isUnproven(error: unknown): error is UnprovenStatus {
  return isRefusal(error, 'ERR_CERT_REVOCATION_INVALID', 'ERR_CERT_REVOCATION_UNAVAILABLE');
}

export function revoked(
  certificate: Certificate,
  { source, reason, revokedAt }: Extract<RevocationStatus, { readonly status: 'revoked' }>,
): OpenBankingError<'ERR_CERT_REVOKED'> {
  return new OpenBankingError('ERR_CERT_REVOKED', { ...whose(certificate), source, reason, revokedAt });
}

/** A refusal as text, for lists of problems. Throws `error` itself when it is a fault of the program. */
export function problemOf(error: unknown): string {
  if (!isRefusal(error)) throw error;
  const { problem } = error.details as { readonly problem?: string };
  return problem ?? error.code;
}

function whose({ subject, serialNumber }: Certificate) {
  return { subject: shownName(subject), serialNumber };
}
