import type { AuthorizationDetail, Json } from './authorization-detail.ts';
import { canonicalJson } from './canonical-hash.ts';
import { endOf, momentOf } from './members.ts';

/** Whether a value allows no more than an allowed one; `undefined` is a member that is absent. */
type Narrows = (wished: Json | undefined, allowed: Json | undefined) => boolean;

/** Lists: some of the same items. A list that is absent allows every item. */
const fewer: Narrows = (wished, allowed) => {
  if (allowed === undefined) return true;
  if (!Array.isArray(wished) || !Array.isArray(allowed)) return false;
  const known = new Set(allowed.map(canonicalJson));
  return wished.every((one) => known.has(canonicalJson(one)));
};
const later: Narrows = (wished, allowed) =>
  allowed === undefined || (typeof wished === 'string' && momentOf(wished) >= momentOf(String(allowed)));
const earlier: Narrows = (wished, allowed) =>
  allowed === undefined || (typeof wished === 'string' && endOf(wished) <= endOf(String(allowed)));
const atMost: Narrows = (wished, allowed) =>
  allowed === undefined || (typeof wished === 'number' && wished <= Number(allowed));

/** Members with an order, of every type; every other member must be the same. */
const ORDERED: Readonly<Record<string, Narrows>> = {
  actions: fewer,
  permissions: fewer,
  accounts: fewer,
  locations: fewer,
  transactionsFrom: later,
  transactionsTo: earlier,
  validUntil: earlier,
  frequencyPerDay: atMost,
};

/**
 * The part of an allowed detail that a token request wishes, or undefined where it wishes more (RFC 9396 §6.1). A member with
 * an order that the wish leaves out stays as allowed. The members of an own type must all be the same: their meaning is the
 * bank's.
 */
export function narrowed(
  wished: AuthorizationDetail,
  allowed: AuthorizationDetail,
  isStandard: boolean,
): AuthorizationDetail | undefined {
  const isOrdered = (member: string) => isStandard && Object.hasOwn(ORDERED, member);
  const stays = Object.entries(allowed).filter(([member]) => isOrdered(member));
  const part: AuthorizationDetail = { ...Object.fromEntries(stays), ...wished };
  const members = new Set([...Object.keys(part), ...Object.keys(allowed)]);
  const isWithin = [...members].every((member) =>
    (isOrdered(member) ? (ORDERED[member] ?? isSame) : isSame)(part[member], allowed[member]),
  );
  return isWithin ? part : undefined;
}

function isSame(wished: Json | undefined, allowed: Json | undefined): boolean {
  return wished !== undefined && allowed !== undefined && canonicalJson(wished) === canonicalJson(allowed);
}

/** The way of numbering accounts by the bank's own identifiers. */
const ACCOUNT_ID = 'account-id';

/**
 * Why the customer cannot choose accounts for these details; undefined where that is possible. The choice is one for all of them,
 * so they must not name different accounts: each would be allowed for the accounts of the others.
 */
export function findChoiceProblem(details: readonly AuthorizationDetail[]): string | undefined {
  const wishes = details
    .filter(({ type }) => type === 'account_information')
    .map(({ accounts }) => canonicalJson(isChosen(accounts) ? [] : (accounts ?? [])));
  return new Set(wishes).size < 2
    ? undefined
    : 'has accounts that are not the same in every account_information: ask for them in several requests';
}

/** Whether accounts are those that a customer chose before. */
function isChosen(accounts: Json | undefined): boolean {
  return (
    Array.isArray(accounts) &&
    accounts.every(
      (one) => typeof one === 'object' && one !== null && 'scheme' in one && one.scheme === ACCOUNT_ID,
    )
  );
}

/**
 * The details as the customer has allowed them: account access for the accounts that the customer chose
 * (RFC 9396 §7.1). Everything else is as it was asked for.
 */
export function allowedDetails(
  details: readonly AuthorizationDetail[],
  accountIds: readonly string[],
): readonly AuthorizationDetail[] {
  const accounts = accountIds.map((identification) => ({ scheme: ACCOUNT_ID, identification }));
  return details.map((detail) =>
    detail.type === 'account_information' && accounts.length > 0 ? { ...detail, accounts } : detail,
  );
}
