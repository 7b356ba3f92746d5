import { randomBytes } from 'node:crypto';
import type { AuthorizationDetail } from './details/authorization-detail.ts';
import type { ConsentReference } from './details/consent-reference.ts';

/**
 * The life of a consent. A consent that was asked for waits; the customer authorises or rejects it. An authorised one ends
 * when someone revokes it, when its time is over, or when the bank has carried out what it allowed once.
 */
export type ConsentStatus =
  | 'awaiting-authorisation'
  | 'authorised'
  | 'rejected'
  | 'revoked'
  | 'expired'
  | 'consumed';

/** The author of a change. `id` is the bank's or the TPP's own name for a person or a program; never the name of a customer. */
export interface Actor {
  readonly kind: 'customer' | 'tpp' | 'bank' | 'server';
  readonly id?: string | undefined;
}

/** One change, kept for the history. */
export interface ConsentChange {
  /** Its place in the feed of all changes. */
  readonly number: number;
  /** RFC 3339. */
  readonly at: string;
  /** Absent for the first change, which makes the consent. The same as `to` where something else has changed. */
  readonly from?: ConsentStatus | undefined;
  readonly to: ConsentStatus;
  readonly by: Actor;
  /** A sentence of who changed it. */
  readonly reason?: string | undefined;
}

/** How the customer proved his identity for the approval. */
export interface ConsentAuthentication {
  readonly amr: readonly string[];
  readonly acr?: string | undefined;
  /** Seconds since the epoch. */
  readonly authTime: number;
}

/** The TPP, as the customer saw it at the approval. */
export interface ConsentRequester {
  /** The name of its service (UK: the trading name). */
  readonly service: string;
  readonly legalName: string;
  /** On whose behalf the TPP acts (UK: `software_on_behalf_of_org`). */
  readonly agent?: string | undefined;
  readonly purpose?: string | undefined;
}

/** The access that a TPP asks for, and the customer's answer to it. Access tokens name it as `consent_id`. */
export interface Consent {
  readonly consentId: string;
  readonly status: ConsentStatus;
  readonly reference: ConsentReference;
  readonly clientId: string;
  readonly authorizationNumber: string;
  readonly requester?: ConsentRequester | undefined;
  /** Empty where the request has scopes only. Once authorised: reduced to what the customer allowed. */
  readonly details: readonly AuthorizationDetail[];
  /** SHA-256 over client and `details` as they were asked for, in base64url (RFC 8785). */
  readonly contentHash: string;
  /** Once authorised. */
  readonly scopes: readonly string[];
  /** The accounts that the PSU chose, by the bank's own identifiers. */
  readonly accountIds: readonly string[];
  /** The claims about the PSU that the TPP may have, by the place where it asked for them. */
  readonly claims?: { readonly idToken: readonly string[]; readonly userinfo: readonly string[] } | undefined;
  /** The customer who authorised it, or for whom the bank made it. */
  readonly psuId?: string | undefined;
  /** The grant of the authorization server that carries out the consent. */
  readonly grantId?: string | undefined;
  /** The grant before the last renewal, which ended with it. */
  readonly replacedGrantId?: string | undefined;
  readonly authentication?: ConsentAuthentication | undefined;
  readonly createdAt: Date;
  readonly statusChangedAt: Date;
  /** Until when it can be authorised; once authorised, the end of the access. */
  readonly expiresAt: Date;
  /** Oldest first. */
  readonly history: readonly ConsentChange[];
}

/** Characters of an identifier of a consent. None of them ends it inside the identifier of a grant. */
export const CONSENT_ID = /^[A-Za-z0-9:._-]{1,128}$/;
const ID_BYTES = 24;
const GRANT_BYTES = 32;
const END_OF_ID = '~';

/** An identifier that no other consent has. */
export function newConsentId(): string {
  return randomBytes(ID_BYTES).toString('base64url');
}

/** The identifier of a new grant for a consent. No TPP or customer ever sees one. */
export function newGrantId(consentId: string = newConsentId()): string {
  return `${consentId}${END_OF_ID}${randomBytes(GRANT_BYTES).toString('base64url')}`;
}

/** The consent that a grant carries out. */
export function consentIdOf(grantId: string): string {
  const end = grantId.indexOf(END_OF_ID);
  return end === -1 ? grantId : grantId.slice(0, end);
}

/** The status at a time: nothing has to run for a consent to expire. */
export function statusAt(
  { status, expiresAt }: Pick<Consent, 'status' | 'expiresAt'>,
  now: Date,
): ConsentStatus {
  const isOpen = status === 'awaiting-authorisation' || status === 'authorised';
  return isOpen && expiresAt <= now ? 'expired' : status;
}
