import { OpenBankingError } from '../../errors.ts';
import type { ConsentInformation } from '../consent/consent-information.ts';
import { type Authorization, invalidToken, type StatusReference } from '../token/access-token.ts';
import type { AuthorizerOptions } from './authorizer-options.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';
import { verifyBinding, verifyCertificateDates } from '../token/certificate-binding.ts';
import { DecisionCache } from './decision-cache.ts';
import { type DecisionParts, openDecisionParts } from './decision-parts.ts';
import { readDpopProof, type SignedProof, verifyDpopProof } from '../dpop/dpop-proof.ts';
import {
  findPresentedToken,
  type PresentedToken,
  type RequestFacts,
  type RequestWithCertificate,
} from '../token/presented-token.ts';
import type { ProvenToken } from '../token/token-cache.ts';
import type { AcceptedTokens } from './resource-metadata.ts';
import { type Requirement, verifyRequirement } from './requirement.ts';
import { verifyTpp } from './tpp-check.ts';

export interface Authorizer {
  /**
   * Decides about one request. Does not check its consent: see `consentOf`.
   *
   * @throws ERR_TOKEN_*, ERR_CERT_MISSING, ERR_CERT_EXPIRED, ERR_CERT_NOT_YET_VALID, ERR_DPOP_*,
   * ERR_TPP_ROLE_MISSING, ERR_TPP_CLIENT_MISMATCH, and what `tppCheck` throws
   */
  authorize(request: RequestWithCertificate, requirement: Requirement): Promise<Authorization>;
  /**
   * The same decision without waiting, when all that it needs is at hand: undefined for everything else, also
   * for what would be refused. Then ask `authorize`.
   */
  authorizeNow(request: RequestWithCertificate, requirement: Requirement): Authorization | undefined;
  /**
   * The consent of the customer behind an authorization, at most five seconds old (`consents.maxAgeSeconds`). Resolves only
   * while the consent is in force.
   *
   * @throws ERR_CONSENT_ABSENT for a token of the TPP alone; ERR_CONSENT_INACTIVE for a consent that has ended;
   * ERR_CONSENT_UNAVAILABLE when the issuer does not answer; TypeError without `consents` in the options
   */
  consentOf(authorization: Authorization): Promise<ConsentInformation>;
  /** Whether consents can be asked about. */
  readonly knowsConsents: boolean;
  /** The tokens that are accepted, for challenges and for the metadata of the API. */
  readonly accepted: AcceptedTokens;
  /** Stops reading status lists in the background and closes connections. */
  close(): Promise<void>;
}

/**
 * Makes the decision point of a protected API (RFC 6750, RFC 8705 §3, RFC 9068 §4, RFC 7662, RFC 9449 §7). There is no
 * way to verify a token without its sender: a token that is not bound is refused, and so is a request without the
 * certificate, unless `senderConstraints` allows tokens of a DPoP key alone.
 *
 * Does not validate the certificate's path itself, unless there is a `tppCheck`: it must be the one that the token
 * was issued for, and the authorization server validated that one.
 *
 * @throws TypeError for options that cannot work
 */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const parts = openDecisionParts(options);
  const decisions = new DecisionCache(parts);

  return {
    authorizeNow: (request, requirement) => decisions.find(request, requirement),

    async authorize(request, requirement) {
      const presented = findPresentedToken(request);
      const { certificate } = request;
      // First, so that the issuer is asked nothing for a stranger.
      const tpp = certificate && (await checkedTpp(certificate, parts));
      const proof = await findProof(request, presented, parts);
      const caller = certificate?.thumbprint ?? proof?.jkt;
      if (caller === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
      const proven = await parts.tokens.prove(presented.token, caller, parts.clock.now().getTime());
      const { authorization } = proven;
      verifyBinding(proven.confirmation.thumbprint, certificate);
      verifyLife(proven, parts);
      await verifyPossession(request, { presented, proof, proven }, parts);
      await verifyStatus(proven.status, parts);
      if (tpp !== undefined) verifyTpp(tpp, { authorization, requirement });
      decisions.store(request, proven);
      verifyRequirement(requirement, authorization, parts.clock.now().getTime());
      return authorization;
    },

    async consentOf(authorization) {
      if (parts.consents === undefined) throw new TypeError('the authorizer has no consents in its options');
      return parts.consents.consentOf(authorization);
    },

    knowsConsents: parts.consents !== undefined,

    accepted: parts.accepted,
    close: parts.close,
  };
}

async function checkedTpp(certificate: PresentedCertificate, parts: DecisionParts) {
  if (!parts.allowExpiredCertificates) verifyCertificateDates(certificate, parts.clock.now().getTime());
  return parts.tppCheck?.(certificate);
}

/** The proof of a request that has one to prove. @throws ERR_CERT_MISSING, ERR_DPOP_PROOF */
async function findProof(
  request: RequestWithCertificate,
  { scheme }: PresentedToken,
  { senderConstraints, dpop }: DecisionParts,
): Promise<SignedProof | undefined> {
  const isCertificateNeeded = scheme === 'Bearer' || !senderConstraints.includes('dpop');
  if (isCertificateNeeded && request.certificate === undefined) {
    throw new OpenBankingError('ERR_CERT_MISSING', {});
  }
  return scheme === 'DPoP' && dpop !== undefined ? readDpopProof(request) : undefined;
}

function verifyLife(token: ProvenToken, { clock, clockToleranceSeconds }: DecisionParts): void {
  const now = clock.now().getTime();
  // No leeway for `exp`: the token would live longer than its issuer says.
  if (token.expiresAt <= now) {
    throw new OpenBankingError('ERR_TOKEN_EXPIRED', { expiredAt: new Date(token.expiresAt) });
  }
  if (token.notBefore > now + clockToleranceSeconds * 1000) throw invalidToken('nbf is in the future');
}

interface PossessedToken {
  readonly presented: PresentedToken;
  readonly proof: SignedProof | undefined;
  readonly proven: ProvenToken;
}

/** RFC 9449 §7.1, §7.2: a token that is bound to a key comes with a proof, and no other comes as one. */
async function verifyPossession(
  request: RequestFacts,
  { presented, proof, proven }: PossessedToken,
  { dpop, clock }: DecisionParts,
): Promise<void> {
  const { scheme, token } = presented;
  const { jkt, thumbprint } = proven.confirmation;
  const isBound = jkt !== undefined;
  if (isBound !== (scheme === 'DPoP')) {
    const problem = isBound ? 'the token is bound to a key but sent as Bearer' : 'the token has no key';
    throw new OpenBankingError('ERR_DPOP_PROOF', { problem });
  }
  if (!isBound) return;
  if (dpop === undefined || proof === undefined) {
    throw new OpenBankingError('ERR_DPOP_PROOF', { problem: 'no origin is configured to hold htu against' });
  }
  const holder = thumbprint ?? proven.authorization.clientId;
  await verifyDpopProof(proof, { request, jkt, token, holder, now: clock.now().getTime() / 1000 }, dpop);
}

async function verifyStatus(
  status: StatusReference | 'asked' | undefined,
  { lists }: DecisionParts,
): Promise<void> {
  if (lists === undefined || status === 'asked') return;
  if (status === undefined) throw invalidToken('the token names no status');
  if (!lists.isKnownLive(status)) await lists.verifyLive(status);
}
