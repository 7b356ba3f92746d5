import { millisecondsOf } from '../../clock.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';
import type { Authorization } from '../token/access-token.ts';
import { type CertificateDates, certificateDates } from '../token/certificate-dates.ts';
import type { DecisionParts } from './decision-parts.ts';
import { plainAuthorization, type RequestWithCertificate } from '../token/presented-token.ts';
import type { ProvenToken } from '../token/proven-tokens.ts';
import { isCovered, type Requirement } from './requirement.ts';

/** What was decided last on one connection: its certificate object is the same as long as it lives. */
interface LastDecision {
  /** The whole Authorization field: comparing it is all that a token that was seen before costs. */
  readonly field: string;
  readonly proven: ProvenToken;
  readonly dates: CertificateDates;
  /** Milliseconds since the epoch until which the TPP need not be checked again. */
  readonly checkedUntil: number;
  /** Until when a yes to this requirement is repeated as it is. */
  repeat?: { readonly requirement: Requirement; readonly from: number; readonly until: number };
}

/** Decisions that need nothing but the memory. */
export interface WarmDecisions {
  /** The authorization if everything that a decision needs is at hand and fresh; undefined says nothing. */
  find(request: RequestWithCertificate, requirement: Requirement): Authorization | undefined;
  /** Remembers that this token was found to be bound to this certificate. */
  remember(request: RequestWithCertificate, proven: ProvenToken): void;
}

const TPP_CHECKED_MILLISECONDS = 1000;
/** Dates, status and scopes are looked at again after this long at the latest: looking costs more than the rest. */
const REPEAT_MILLISECONDS = 100;

export function createWarmDecisions(parts: DecisionParts): WarmDecisions {
  const { tokens, lists, tppCheck, allowExpiredCertificates } = parts;
  const milliseconds = millisecondsOf(parts.clock);
  const toleranceMilliseconds = parts.clockToleranceSeconds * 1000;
  const last = new WeakMap<PresentedCertificate, LastDecision>();

  const isLive = ({ status, expiresAt, notBefore, until }: ProvenToken, now: number) =>
    expiresAt > now &&
    until > now &&
    notBefore <= now + toleranceMilliseconds &&
    (lists === undefined || status === 'asked' || (status !== undefined && lists.isKnownLive(status)));

  const areGood = ({ notBefore, notAfter }: CertificateDates, now: number) =>
    allowExpiredCertificates || (now >= notBefore && now <= notAfter);

  /** Another token of the same certificate, or the first on a new connection: known already, perhaps. */
  const knownToken = (field: string, certificate: PresentedCertificate, now: number) => {
    if (tppCheck !== undefined || !field.startsWith('Bearer ')) return undefined;
    const proven = tokens.find(field.slice('Bearer '.length), now);
    if (proven?.confirmation.thumbprint !== certificate.thumbprint) return undefined;
    const decision: LastDecision = { field, proven, dates: certificateDates(certificate), checkedUntil: 0 };
    last.set(certificate, decision);
    return decision;
  };

  /** Never past a moment at which a part of the decision would turn. */
  const repeatUntil = ({ proven, dates, checkedUntil }: LastDecision, now: number) =>
    Math.min(
      now + REPEAT_MILLISECONDS,
      proven.expiresAt,
      proven.until,
      typeof proven.status === 'object' && lists !== undefined ? lists.freshUntil(proven.status) : Infinity,
      allowExpiredCertificates ? Infinity : dates.notAfter,
      tppCheck === undefined ? Infinity : checkedUntil,
    );

  /** Takes up the newer proof of a token whose proof is getting old, or has one made. */
  const renew = (request: RequestWithCertificate, decision: LastDecision, now: number) => {
    const token = decision.field.slice('Bearer '.length);
    const newest = tokens.find(token, now);
    if (newest === undefined || newest === decision.proven) tokens.renew(token);
    else if (request.certificate !== undefined) {
      last.set(request.certificate, { ...decision, proven: newest });
    }
  };

  return {
    find(request, requirement) {
      const { certificate } = request;
      const field = plainAuthorization(request);
      if (certificate === undefined || field === undefined) return undefined;
      const now = milliseconds();
      const latest = last.get(certificate);
      const decision = latest?.field === field ? latest : knownToken(field, certificate, now);
      if (decision === undefined) return undefined;
      const { proven, dates, checkedUntil, repeat } = decision;
      if (repeat?.requirement === requirement && now >= repeat.from && now < repeat.until) {
        return proven.authorization;
      }
      // A proof of possession of a key is new for every request, and a role that is checked is checked anew.
      if (proven.confirmation.jkt !== undefined) return undefined;
      if (tppCheck !== undefined && (now >= checkedUntil || (requirement.roles ?? []).length > 0))
        return undefined;
      if (!isLive(proven, now) || !areGood(dates, now)) return undefined;
      if (proven.renewFrom !== undefined && proven.renewFrom <= now) renew(request, decision, now);
      if (!isCovered(requirement, proven.authorization)) return undefined;
      decision.repeat = { requirement, from: now, until: repeatUntil(decision, now) };
      return proven.authorization;
    },

    remember(request, proven) {
      const { certificate } = request;
      const field = plainAuthorization(request);
      if (certificate === undefined || field === undefined) return;
      const checkedUntil = milliseconds() + TPP_CHECKED_MILLISECONDS;
      last.set(certificate, { field, proven, dates: certificateDates(certificate), checkedUntil });
    },
  };
}
