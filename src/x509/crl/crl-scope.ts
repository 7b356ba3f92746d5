import type { Certificate } from '../certificate/certificate.ts';
import type { CrlIndex } from './crl-index.ts';
import { type CrlDistributionPoint, sharesName } from '../certificate/distribution-point.ts';

/** Masks over the bits of ReasonFlags (RFC 5280 §4.2.1.13); bit 0 is not used. */
export const REASONS = Object.freeze({ all: 0b1_1111_1110 });

/**
 * The distribution points of a certificate; without any, one with the name of its issuer (RFC 5280 §6.3.3). A
 * certificate that has some is decided by these alone.
 */
export function pointsOf(certificate: Certificate): readonly CrlDistributionPoint[] {
  if (certificate.crlDistributionPoints.length > 0) return certificate.crlDistributionPoints;
  return [{ fullName: [{ kind: 'directoryName', value: certificate.issuer }], crlIssuer: [] }];
}

/** Why a list is not about this certificate, by its issuing distribution point (§6.3.3 (b)(2)). */
export function findScopeProblem(
  { issuer, scope }: CrlIndex,
  point: CrlDistributionPoint,
  certificate: Certificate,
): string | undefined {
  const own = scope.issuingDistributionPoint;
  if (own === undefined) return undefined;
  if (own.isIndirect) return 'the list is indirect, which is not supported';
  if (own.name !== undefined && !sharesName(own.name, point, issuer)) {
    return 'the list is of another distribution point';
  }
  switch (own.onlyContains) {
    case 'attribute':
      return 'the list is about attribute certificates only';
    case 'CA':
      return isCa(certificate) ? undefined : 'the list is about CAs only';
    case 'user':
      return isEndEntity(certificate) ? undefined : 'the list is about end entities only';
    default:
      return undefined;
  }
}

/** §5.2.5: certificates before version 3 are in no list of one kind. */
function isEndEntity(certificate: Certificate): boolean {
  return !isCa(certificate) && certificate.version === 3;
}

function isCa({ basicConstraints }: Certificate): boolean {
  return basicConstraints?.isCa === true;
}

/** Which reasons a list covers for a distribution point (§6.3.3 (d)). */
export function reasonsOf({ scope }: CrlIndex, point: CrlDistributionPoint): number {
  return maskOf(point.reasons) & maskOf(scope.issuingDistributionPoint?.onlySomeReasons);
}

function maskOf(bits: readonly number[] | undefined): number {
  if (bits === undefined) return REASONS.all;
  return bits.reduce((mask, bit) => mask | ((1 << bit) & REASONS.all), 0);
}
