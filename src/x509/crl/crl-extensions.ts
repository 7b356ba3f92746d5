import { DerError, decodeInteger, readAll, TAG } from '../der/der.ts';
import {
  type CrlDistributionPoint,
  type IssuingDistributionPoint,
  readDistributionPoints,
  readIssuingDistributionPoint,
} from '../certificate/distribution-point.ts';
import {
  EXTENSION,
  type Extension,
  findUnknownCritical,
  readKnownExtensions,
} from '../certificate/extensions.ts';

const CRL_EXTENSION = Object.freeze({
  issuerAlternativeName: '2.5.29.18',
  crlNumber: '2.5.29.20',
  deltaCrlIndicator: '2.5.29.27',
  issuingDistributionPoint: '2.5.29.28',
});

/** The facts of the extensions of a CRL (RFC 5280 §5.2). */
export interface CrlScope {
  readonly number: bigint | undefined;
  /** In a delta CRL only: the number of the complete list that it changes. */
  readonly baseNumber: bigint | undefined;
  readonly issuingDistributionPoint: IssuingDistributionPoint | undefined;
  /** The addresses of its delta lists (RFC 5280 §5.2.6). */
  readonly freshestCrl: readonly CrlDistributionPoint[];
  /** Two lists with equal keys are about the same certificates, and of one key: one may be a delta of the other. */
  readonly scopeKey: string;
  /** Why the list must not be used at all. */
  readonly problem: string | undefined;
  /** A fault of its issuer that does not keep it from being read. */
  readonly issuanceProblem: string | undefined;
}

/**
 * @throws DerError
 */
export function readCrlScope(extensions: ReadonlyMap<string, Extension>): CrlScope {
  const point = extensions.get(CRL_EXTENSION.issuingDistributionPoint);
  const freshest = extensions.get(EXTENSION.freshestCrl);
  const authorityKey = extensions.get(EXTENSION.authorityKeyIdentifier);
  if (authorityKey !== undefined) {
    readKnownExtensions(new Map([[EXTENSION.authorityKeyIdentifier, authorityKey]]));
  }
  const unknown = findUnknownCritical(extensions, UNDERSTOOD);
  return {
    number: readNumber(extensions.get(CRL_EXTENSION.crlNumber)),
    baseNumber: readNumber(extensions.get(CRL_EXTENSION.deltaCrlIndicator)),
    issuingDistributionPoint: point && readAll(point.value, readIssuingDistributionPoint),
    freshestCrl: freshest === undefined ? [] : readAll(freshest.value, readDistributionPoints),
    scopeKey: [point, authorityKey].map((one) => one?.value.toString('hex') ?? '').join(' '),
    problem: unknown && `critical extension ${unknown} is not understood`,
    issuanceProblem: findIssuanceProblem(extensions),
  };
}

/** CRLNumber ::= INTEGER (0..MAX), of 20 octets at most (RFC 5280 §5.2.3). */
function readNumber(extension: Extension | undefined): bigint | undefined {
  if (extension === undefined) return undefined;
  const octets = decodeInteger(readAll(extension.value, (reader) => reader.content(TAG.integer)));
  if ((octets[0] ?? 0) >= 0x80 || octets.length > 21)
    throw new DerError('CRL number is negative or too long');
  return BigInt(`0x${octets.toString('hex')}`);
}

/** RFC 5280 §5.2: a list with a critical extension that is not understood proves nothing. */
const UNDERSTOOD: readonly string[] = [
  CRL_EXTENSION.crlNumber,
  CRL_EXTENSION.deltaCrlIndicator,
  CRL_EXTENSION.issuingDistributionPoint,
  // Not critical by the profile, and without weight in the decision.
  CRL_EXTENSION.issuerAlternativeName,
  EXTENSION.authorityKeyIdentifier,
  EXTENSION.authorityInformationAccess,
  EXTENSION.freshestCrl,
];

/** The duties of issuers by RFC 5280. Without a number, the replay of an old list could not be noticed. */
function findIssuanceProblem(extensions: ReadonlyMap<string, Extension>): string | undefined {
  const isCritical = (oid: string): boolean | undefined => extensions.get(oid)?.critical;
  if (isCritical(CRL_EXTENSION.crlNumber) === undefined) return 'the list has no number (§5.2.3)';
  if (isCritical(CRL_EXTENSION.crlNumber) === true) return 'the number of the list is critical (§5.2.3)';
  if (isCritical(CRL_EXTENSION.deltaCrlIndicator) === false)
    return 'deltaCRLIndicator is not critical (§5.2.4)';
  if (isCritical(CRL_EXTENSION.issuingDistributionPoint) === false) {
    return 'issuingDistributionPoint is not critical (§5.2.5)';
  }
  if (isCritical(EXTENSION.freshestCrl) === true) return 'freshestCRL is critical (§5.2.6)';
  return isCritical(EXTENSION.authorityKeyIdentifier) === true
    ? 'authorityKeyIdentifier is critical (§5.2.1)'
    : undefined;
}
