import type { Certificate } from '../certificate/certificate.ts';
import { findUnknownCritical } from '../certificate/extensions.ts';
import { type IssuedPair, isCertIdOf, writeNonce } from './ocsp-request.ts';
import { findResponder } from './ocsp-responder.ts';
import type { BasicOcspResponse, OcspResponse, SingleResponse } from './ocsp-response.ts';
import type { RevocationStatus } from '../certificate/revocation-status.ts';

export { type CertIdHash, type IssuedPair, writeOcspRequest } from './ocsp-request.ts';
export { type OcspResponse, parseOcspResponse } from './ocsp-response.ts';

/** How fresh an answer must be. */
export interface OcspPolicy {
  /** How long an answer without nextUpdate is good. Default 3600: by RFC 6960 §2.4 a newer one is always available. */
  readonly maxAgeSeconds?: number;
  /** Default 864000, which CA/Browser Forum BR §4.9.10 allows at most: no answer is good for longer. */
  readonly maxWindowSeconds?: number;
  /** How far the responder's clock may be ahead. Default 300. */
  readonly skewSeconds?: number;
  /**
   * `required`: an answer without the nonce that was sent is refused. `not-sent`: for responders that refuse requests
   * with one. Default: the responder may leave it out.
   */
  readonly nonce?: 'required' | 'optional' | 'not-sent';
}

export interface OcspOptions extends IssuedPair {
  readonly at: Date;
  /** The one that was sent. */
  readonly nonce?: Buffer | undefined;
  readonly policy?: OcspPolicy;
  readonly delegateStatus?: (delegate: Certificate) => RevocationStatus | undefined;
}

const NONCE = '1.3.6.1.5.5.7.48.1.2';
/** Certificate Transparency timestamps may be in an answer (RFC 6962 §3.3). They do not concern revocation. */
const TIMESTAMPS = '1.3.6.1.4.1.11129.2.4.5';

/**
 * The status of a certificate that an OCSP response proves. Every fault makes the status unknown, with the reason:
 * signer, CertID, times, nonce, critical extensions. Of several answers about the certificate, revoked wins.
 *
 * Does not check that `issuer` is the issuer: called with neighbours of a verified path.
 *
 * @see RFC 6960 §3.2, §4.2.2
 */
export function ocspStatus(response: OcspResponse, options: OcspOptions): RevocationStatus {
  if (response.responseStatus !== 'successful')
    return unknown(`the responder says ${response.responseStatus}`);
  const { basic } = response;
  const responder = findResponder(basic, options);
  if ('problem' in responder) return unknown(responder.problem);
  const problem = findResponseProblem(basic, options);
  if (problem !== undefined) return unknown(problem);
  const singles = basic.responses.filter(({ certId }) => isCertIdOf(certId, options));
  if (singles.length === 0) return unknown('the answer is about other certificates');
  // RFC 6960 does not define several answers: the most severe one counts.
  return singles.map((single) => singleStatus(single, options)).reduce(worse);
}

const RANK = { good: 0, unknown: 1, revoked: 2 } as const;

function worse(a: RevocationStatus, b: RevocationStatus): RevocationStatus {
  if (a.status === 'good' && b.status === 'good') {
    return (b.nextUpdate?.getTime() ?? 0) < (a.nextUpdate?.getTime() ?? 0) ? b : a;
  }
  return RANK[b.status] > RANK[a.status] ? b : a;
}

function findResponseProblem(basic: BasicOcspResponse, options: OcspOptions): string | undefined {
  const { at, issuer, certificate, policy = {}, nonce } = options;
  const critical = findUnknownCritical(basic.extensions, [NONCE]);
  if (critical !== undefined) return `the answer has an unknown critical extension ${critical}`;
  const latest = at.getTime() + (policy.skewSeconds ?? 300) * 1000;
  const { producedAt } = basic;
  // An invalid date makes the comparison false, which refuses.
  if (!(producedAt.getTime() <= latest)) return 'producedAt is in the future';
  if (producedAt < issuer.notBefore || producedAt > issuer.notAfter || producedAt < certificate.notBefore) {
    return 'the answer was not produced in the life of the certificate and its issuer';
  }
  return nonce === undefined ? undefined : findNonceProblem(basic, nonce, policy);
}

function findNonceProblem(
  { extensions }: BasicOcspResponse,
  sent: Buffer,
  { nonce = 'optional' }: OcspPolicy,
): string | undefined {
  const found = extensions.get(NONCE)?.value;
  if (found === undefined) return nonce === 'required' ? 'the answer has no nonce' : undefined;
  return found.equals(writeNonce(sent)) ? undefined : 'the nonce is not the one that was sent';
}

function singleStatus(single: SingleResponse, options: OcspOptions): RevocationStatus {
  const { status } = single;
  const critical = findUnknownCritical(single.extensions, [TIMESTAMPS]);
  if (critical !== undefined) return unknown(`the answer has an unknown critical extension ${critical}`);
  // A revocation does not go stale, except a hold, which may have been lifted (RFC 6960 §2.2).
  const isFinal = status.kind === 'revoked' && status.reason !== 'certificateHold';
  const problem = isFinal ? undefined : findTimeProblem(single, options);
  if (problem !== undefined) return unknown(problem);
  switch (status.kind) {
    case 'good':
      return {
        status: 'good',
        source: 'ocsp',
        thisUpdate: single.thisUpdate,
        nextUpdate: endOf(single, options),
      };
    case 'revoked':
      return { status: 'revoked', source: 'ocsp', revokedAt: status.revokedAt, reason: status.reason };
    case 'unknown':
      return unknown('the responder does not know the certificate');
  }
}

function findTimeProblem(single: SingleResponse, options: OcspOptions): string | undefined {
  const { thisUpdate, nextUpdate } = single;
  const { at, policy = {} } = options;
  // An invalid date makes the comparison false, which refuses.
  const latest = at.getTime() + (policy.skewSeconds ?? 300) * 1000;
  if (!(thisUpdate.getTime() <= latest)) return 'thisUpdate is in the future';
  if (nextUpdate !== undefined && !(nextUpdate >= thisUpdate)) return 'nextUpdate is before thisUpdate';
  return at <= endOf(single, options) ? undefined : 'the answer is stale';
}

function endOf({ thisUpdate, nextUpdate }: SingleResponse, { policy = {} }: OcspOptions): Date {
  const { maxAgeSeconds = 3600, maxWindowSeconds = 864_000 } = policy;
  const longest = thisUpdate.getTime() + maxWindowSeconds * 1000;
  return new Date(Math.min(longest, nextUpdate?.getTime() ?? thisUpdate.getTime() + maxAgeSeconds * 1000));
}

function unknown(problem: string): RevocationStatus {
  return { status: 'unknown', source: 'ocsp', problem };
}
