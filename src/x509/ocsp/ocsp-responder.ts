import { hash } from 'node:crypto';
import { type Certificate, readableCertificates } from '../certificate/certificate.ts';
import { namesEqual } from '../certificate/distinguished-name.ts';
import { EXTENSION, findUnknownCritical } from '../certificate/extensions.ts';
import type { BasicOcspResponse, ResponderId } from './ocsp-response.ts';
import type { RevocationStatus } from '../certificate/revocation-status.ts';
import { isSignedBy } from '../certificate/signature.ts';

/** The authorised signer of an answer: the issuer or its delegate; or the reason why there is none. */
export type Responder =
  | { readonly certificate: Certificate; readonly isDelegate: boolean }
  | { readonly problem: string };

export interface ResponderOptions {
  readonly issuer: Certificate;
  readonly at: Date;
  /**
   * The status of a delegate whose certificate does not have id-pkix-ocsp-nocheck. Default: unknown, and the answer
   * is refused (RFC 6960 §4.2.2.2.1 leaves it to policy).
   */
  readonly delegateStatus?: ((delegate: Certificate) => RevocationStatus | undefined) | undefined;
}

/** Certificates of the name of the responder, each of which may cost a signature. */
const MAX_CANDIDATES = 4;
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9';
const NO_CHECK = '1.3.6.1.5.5.7.48.1.5';
/** Extensions that may be critical in a delegate's certificate: those checked here, and names, which do not matter. */
const UNDERSTOOD: readonly string[] = [
  EXTENSION.keyUsage,
  EXTENSION.extendedKeyUsage,
  EXTENSION.basicConstraints,
  EXTENSION.subjectAlternativeName,
  EXTENSION.certificatePolicies,
  EXTENSION.crlDistributionPoints,
  NO_CHECK,
];

/**
 * Proves the signature of an answer and the right of its signer: the issuer's own key, or a certificate that the same
 * key issued for OCSP signing. A locally trusted responder (RFC 6960 §4.2.2.2, criterion 1) is not supported.
 *
 * @see RFC 6960 §4.2.2.2
 */
export function findResponder(response: BasicOcspResponse, options: ResponderOptions): Responder {
  const { issuer } = options;
  if (response.signatureAlgorithm.scheme === undefined) {
    return { problem: `the answer is signed with ${response.signatureAlgorithm.name}` };
  }
  if (isNamed(response.responder, issuer) && isSignedWith(response, issuer)) {
    return { certificate: issuer, isDelegate: false };
  }
  const delegate = readableCertificates(response.certificates, 'responder')
    .filter((candidate) => isNamed(response.responder, candidate))
    .slice(0, MAX_CANDIDATES)
    .find((candidate) => isSignedWith(response, candidate));
  if (delegate === undefined)
    return { problem: 'neither the issuer nor a certificate of the answer signed it' };
  const problem = findDelegateProblem(delegate, options);
  return problem === undefined ? { certificate: delegate, isDelegate: true } : { problem };
}

function isNamed(responder: ResponderId, candidate: Certificate): boolean {
  return 'name' in responder
    ? namesEqual(responder.name, candidate.subject)
    : responder.keyHash.equals(hash('sha1', candidate.publicKeyOctets, 'buffer'));
}

/** A weak key signs nothing. */
function isSignedWith(response: BasicOcspResponse, by: Certificate): boolean {
  return by.keyProblem === undefined && isSignedBy(response, by.publicKey);
}

function findDelegateProblem(
  delegate: Certificate,
  { issuer, at, delegateStatus }: ResponderOptions,
): string | undefined {
  const { scheme, name } = delegate.signatureAlgorithm;
  if (!namesEqual(delegate.issuer, issuer.subject)) return 'the responder is of another issuer';
  if (scheme === undefined) return `the responder's certificate is signed with ${name}`;
  if (!isSignedBy(delegate, issuer.publicKey)) return 'the responder is of another issuer of the same name';
  const { keyUsage, extendedKeyUsage } = delegate;
  // anyExtendedKeyUsage does not suffice: the issuer delegates by id-kp-OCSPSigning (RFC 6960 §4.2.2.2).
  if (extendedKeyUsage?.includes(OCSP_SIGNING) !== true) return 'the responder may not sign OCSP answers';
  if (keyUsage !== undefined && !keyUsage.has('digitalSignature') && !keyUsage.has('nonRepudiation')) {
    return 'the key usage of the responder does not allow signatures';
  }
  const second = Math.floor(at.getTime() / 1000) * 1000;
  if (!(second >= delegate.notBefore.getTime() && second <= delegate.notAfter.getTime())) {
    return 'the responder is not valid at this time';
  }
  if (findUnknownCritical(delegate.extensions, UNDERSTOOD) !== undefined) {
    return 'the responder has a critical extension that is not understood';
  }
  if (delegate.extensions.has(NO_CHECK)) return undefined;
  const status = delegateStatus?.(delegate)?.status ?? 'unknown';
  return status === 'good' ? undefined : `the responder's own revocation status is ${status}`;
}
