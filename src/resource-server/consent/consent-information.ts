import { deepFrozen } from '../token/access-token.ts';

/** A consent of a customer, as the authorization server answers about it. Frozen. */
export interface ConsentInformation {
  readonly consentId: string;
  /** `authorised`, or why nothing is allowed: `revoked`, `expired`, `consumed`, `rejected`, `awaiting-authorisation`. */
  readonly status: string;
  readonly clientId: string;
  /** The organizationIdentifier of the TPP. */
  readonly authorizationNumber: string;
  /** The customer, as `sub` of the token. Absent before the approval. */
  readonly subject?: string | undefined;
  readonly scopes: readonly string[];
  /** The accounts that the customer chose, by the bank's own identifiers. */
  readonly accountIds: readonly string[];
  /** The actions of all details: `read_balances`, `initiate`. */
  readonly actions: readonly string[];
  /** The permission codes of the market, as they were asked for: `ReadBalances`. */
  readonly permissions: readonly string[];
  /** RFC 9396: account access, a payment with its limits, funds confirmation. Empty for a request of scopes only. */
  readonly details: readonly Readonly<Record<string, unknown>>[];
  /** `paymentHashOf` each payment of `details`. */
  readonly paymentHashes: readonly string[];
  /** SHA-256 over client and `details` as they were asked for. */
  readonly contentHash: string;
  readonly expiresAt: Date;
}

/**
 * Reads an answer of the authorization server. Members that are not known here are left out.
 *
 *     { "consentId": "…", "status": "authorised", "clientId": "…", "authorizationNumber": "PSDGB-FCA-1", "subject": "…",
 *       "scopes": ["accounts"], "accountIds": ["acc-1"], "actions": ["read_balances"], "permissions": ["ReadBalances"],
 *       "details": [{ "type": "account_information", … }], "paymentHashes": [], "contentHash": "…",
 *       "expiresAt": "2027-05-24T12:00:00.000Z" }
 *
 * @throws TypeError for a member that is missing or of another type
 */
export function parseConsentInformation(value: unknown): ConsentInformation {
  const members: Readonly<Record<string, unknown>> =
    typeof value === 'object' && value !== null ? { ...value } : {};
  return deepFrozen({
    consentId: text(members, 'consentId'),
    status: text(members, 'status'),
    clientId: text(members, 'clientId'),
    authorizationNumber: text(members, 'authorizationNumber'),
    ...(members.subject === undefined ? {} : { subject: text(members, 'subject') }),
    scopes: texts(members, 'scopes'),
    accountIds: texts(members, 'accountIds'),
    actions: texts(members, 'actions'),
    permissions: texts(members, 'permissions'),
    details: objects(members, 'details'),
    paymentHashes: texts(members, 'paymentHashes'),
    contentHash: text(members, 'contentHash'),
    expiresAt: time(members, 'expiresAt'),
  });
}

type Members = Readonly<Record<string, unknown>>;

function text(members: Members, name: string): string {
  const value = members[name];
  if (typeof value !== 'string') throw new TypeError(`${name} is no text`);
  return value;
}

function texts(members: Members, name: string): readonly string[] {
  const value = members[name];
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string')) {
    throw new TypeError(`${name} is no list of texts`);
  }
  return value;
}

function objects(members: Members, name: string): readonly Readonly<Record<string, unknown>>[] {
  const value = members[name];
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'object' && one !== null)) {
    throw new TypeError(`${name} is no list of objects`);
  }
  return value;
}

function time(members: Members, name: string): Date {
  const value = new Date(text(members, name));
  if (Number.isNaN(value.getTime())) throw new TypeError(`${name} is no time`);
  return value;
}
