import { OpenBankingError } from '../errors.ts';
import {
  type Actor,
  type Consent,
  type ConsentAuthentication,
  type ConsentChange,
  type ConsentRequester,
  type ConsentStatus,
  statusAt,
} from './consent.ts';
import type { AuthorizationDetail } from './details/authorization-detail.ts';
import { canonicalHash } from './details/canonical-hash.ts';
import type { ConsentReference } from './details/consent-reference.ts';

/** A consent that a TPP or the bank asks for, before a customer has seen it. */
export interface AskedConsent {
  /** Default: a new one. */
  readonly consentId?: string | undefined;
  readonly reference: ConsentReference;
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly details: readonly AuthorizationDetail[];
  /** The one customer who may authorise it. */
  readonly psuId?: string | undefined;
  readonly requester?: ConsentRequester | undefined;
  /** Until when a customer may authorise it. */
  readonly expiresAt: Date;
  readonly by: Actor;
}

/** Another content of a consent that waits. */
export interface ChangedContent {
  readonly details: readonly AuthorizationDetail[];
  readonly expiresAt?: Date | undefined;
  readonly by: Actor;
  readonly reason?: string | undefined;
}

/** The customer's approval of a content. */
export interface Authorisation {
  /** Of the content that the customer saw. */
  readonly contentHash: string;
  readonly psuId: string;
  readonly accountIds: readonly string[];
  readonly scopes: readonly string[];
  readonly claims?: Consent['claims'];
  readonly grantId: string;
  readonly authentication?: ConsentAuthentication | undefined;
  readonly requester?: ConsentRequester | undefined;
  /** The content of the authorised consent that this one takes the place of (FAPI Grant Management). */
  readonly replaces?: { readonly contentHash: string } | undefined;
  /** The end of the access. */
  readonly expiresAt: Date;
  /** The part of the details that the customer allowed, with the chosen accounts. Default: all of them. */
  readonly details?: readonly AuthorizationDetail[] | undefined;
  readonly by: Actor;
}

/** A change, and when and as which number of the feed it happens. */
export interface Moment {
  readonly now: Date;
  readonly number: number;
}

/** The hash of what a client asks for. */
export function contentHashOf({ clientId, details }: Pick<Consent, 'clientId' | 'details'>): string {
  return canonicalHash({ clientId, details });
}

/** Changes of one consent that are kept: the first, and the latest. */
const MAX_CHANGES = 100;

/** The consent that is asked for. */
export function asked(asking: AskedConsent & { readonly consentId: string }, moment: Moment): Consent {
  const { by, ...content } = asking;
  const first: Omit<Consent, 'history'> = {
    ...content,
    status: 'awaiting-authorisation',
    contentHash: contentHashOf(asking),
    scopes: [],
    accountIds: [],
    createdAt: moment.now,
    statusChangedAt: moment.now,
  };
  return changed({ ...first, history: [] }, 'awaiting-authorisation', { by }, moment);
}

/** @throws ERR_CONSENT_STATUS when a customer has decided already */
export function withContent(consent: Consent, content: ChangedContent, moment: Moment): Consent {
  assertStatus(consent, WAITING, moment.now);
  const { details, expiresAt = consent.expiresAt } = content;
  const contentHash = contentHashOf({ ...consent, details });
  return changed({ ...consent, details, expiresAt, contentHash }, 'awaiting-authorisation', content, moment);
}

/**
 * The authorised consent. The same customer may authorise an access anew, also with another content that takes the place of
 * the earlier one: the consent then has another grant.
 *
 * @throws ERR_CONSENT_CHANGED when the customer saw another content, ERR_CONSENT_STATUS, ERR_CONSENT_CUSTOMER
 */
export function authorised(consent: Consent, authorisation: Authorisation, moment: Moment): Consent {
  const { by, replaces, details = consent.details, ...rest } = authorisation;
  const { consentId } = consent;
  assertStatus(consent, replaces ? ['authorised'] : renewable(consent) ? OPEN : WAITING, moment.now);
  if (consent.psuId !== undefined && consent.psuId !== rest.psuId) {
    throw new OpenBankingError('ERR_CONSENT_CUSTOMER', { consentId });
  }
  const shown = replaces?.contentHash ?? rest.contentHash;
  if (consent.contentHash !== shown) throw new OpenBankingError('ERR_CONSENT_CHANGED', { consentId });
  const requester = rest.requester ?? consent.requester;
  const replacedGrantId = consent.grantId;
  const next = { ...consent, ...rest, requester, details, replacedGrantId };
  return changed(next, 'authorised', { by }, moment);
}

/** @throws ERR_CONSENT_STATUS */
export function rejected(consent: Consent, by: Attribution, moment: Moment): Consent {
  assertStatus(consent, WAITING, moment.now);
  return changed(consent, 'rejected', by, moment);
}

/** @throws ERR_CONSENT_STATUS */
export function revoked(consent: Consent, by: Attribution, moment: Moment): Consent {
  assertStatus(consent, OPEN, moment.now);
  return changed(consent, 'revoked', by, moment);
}

/** @throws ERR_CONSENT_STATUS */
export function consumed(consent: Consent, by: Attribution, moment: Moment): Consent {
  assertStatus(consent, ['authorised'], moment.now);
  return changed(consent, 'consumed', by, moment);
}

/** The author of a change, and the reason. */
export type Attribution = Pick<ConsentChange, 'by' | 'reason'>;

const WAITING: readonly ConsentStatus[] = ['awaiting-authorisation'];
const OPEN: readonly ConsentStatus[] = [...WAITING, 'authorised'];

/** A payment is authorised once; an access can be authorised anew. */
function renewable({ details }: Consent): boolean {
  return !details.some(({ type }) => type === 'payment_initiation');
}

function assertStatus(consent: Consent, allowed: readonly ConsentStatus[], now: Date): void {
  const status = statusAt(consent, now);
  if (allowed.includes(status)) return;
  throw new OpenBankingError('ERR_CONSENT_STATUS', { consentId: consent.consentId, status });
}

function changed(
  consent: Consent,
  to: ConsentStatus,
  { by, reason }: Attribution,
  { now, number }: Moment,
): Consent {
  const { status: from, history } = consent;
  const change = {
    number,
    at: now.toISOString(),
    ...(history.length === 0 ? {} : { from }),
    to,
    by,
    reason,
  } as const;
  const kept = history.length < MAX_CHANGES ? history : [...history.slice(0, 1), ...history.slice(2)];
  return Object.freeze({
    ...consent,
    status: to,
    statusChangedAt: from === to && history.length > 0 ? consent.statusChangedAt : now,
    history: [...kept, change],
  });
}
