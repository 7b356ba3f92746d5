import type { Client } from 'oidc-provider';
import type { Consent } from '../../../consent/consent.ts';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import { canonicalHash } from '../../../consent/details/canonical-hash.ts';
import { OpenBankingError } from '../../../errors.ts';
import { grantActionOf } from '../../request/authorization-request/grant-action.ts';
import type { NamedAccess } from '../../request/authorization-request/named-access.ts';

/** The access that a request changes (Grant Management for OAuth 2.0 §5.2). Its id stays, its tokens end. */
export interface EarlierGrant {
  readonly action: 'merge' | 'replace';
  /** As it is now: an approval counts only while it is still that. */
  readonly consent: Consent;
}

/** The content of an access. */
export interface ChangedAccess {
  readonly details: readonly AuthorizationDetail[];
  readonly scopes: readonly string[];
  readonly claims: { readonly idToken: readonly string[]; readonly userinfo: readonly string[] };
}

type FindConsent = (consentId: string) => Promise<Consent | undefined>;

/**
 * The grant that a request merges with or replaces; undefined where it makes a new one. A grant of another client, one that is
 * over and one that is known by the id of an intent are all refused alike.
 *
 * @throws ERR_GRANT_ACTION, ERR_GRANT_ID
 */
export async function findEarlierGrant(
  { params, client, named }: EarlierGrantRequest,
  find: FindConsent,
): Promise<EarlierGrant | undefined> {
  const wished = grantActionOf(params);
  if (wished === undefined || wished.action === 'create') return undefined;
  if ('consentId' in named) throw refusedAction('the request names a consent, which cannot be merged');
  const consent = await find(wished.grantId);
  const isOwn = consent?.clientId === client.clientId && consent.status === 'authorised';
  if (!isOwn || !CHANGEABLE.includes(consent.reference)) throw new OpenBankingError('ERR_GRANT_ID', {});
  if (consent.reference !== named.reference) {
    throw refusedAction('the request and the grant name what they ask for in different ways');
  }
  return { action: wished.action, consent };
}

interface EarlierGrantRequest {
  readonly params: Readonly<Record<string, unknown>>;
  readonly client: Client;
  readonly named: NamedAccess;
}

/** Others are intents, whose content the bank keeps. */
const CHANGEABLE: readonly string[] = ['scope', 'authorization_details'];

/** The content that the customer is asked for: with `merge` also all that was allowed before, with `replace` the request's alone. */
export function changedAccess(asked: ChangedAccess, earlier: EarlierGrant | undefined): ChangedAccess {
  if (earlier?.action !== 'merge') return asked;
  const { details, scopes, claims } = earlier.consent;
  return {
    details: union(details, asked.details, canonicalHash),
    scopes: union(scopes, asked.scopes),
    claims: {
      idToken: union(claims?.idToken ?? [], asked.claims.idToken),
      userinfo: union(claims?.userinfo ?? [], asked.claims.userinfo),
    },
  };
}

/** The part of a content that the customer has not allowed yet: all of it where the earlier grant is replaced. */
export function addedContent(
  { details, scopes, claims }: ChangedAccess,
  { action, consent }: EarlierGrant,
): ChangedAccess {
  if (action === 'replace') return { details, scopes, claims };
  const known = new Set(consent.details.map(canonicalHash));
  const without = (names: readonly string[], before: readonly string[] = []) =>
    names.filter((name) => !before.includes(name));
  return {
    details: details.filter((detail) => !known.has(canonicalHash(detail))),
    scopes: without(scopes, consent.scopes),
    claims: {
      idToken: without(claims.idToken, consent.claims?.idToken),
      userinfo: without(claims.userinfo, consent.claims?.userinfo),
    },
  };
}

/** @throws ERR_GRANT_ACTION for a payment: each is allowed on its own */
export function assertChangeable(earlier: EarlierGrant | undefined, isPayment: boolean): void {
  if (earlier !== undefined && isPayment) throw refusedAction('a payment is neither merged nor replaced');
}

function union<T>(before: readonly T[], added: readonly T[], keyOf: (one: T) => unknown = (one) => one): T[] {
  return [...new Map([...before, ...added].map((one) => [keyOf(one), one])).values()];
}

function refusedAction(problem: string): OpenBankingError<'ERR_GRANT_ACTION'> {
  return new OpenBankingError('ERR_GRANT_ACTION', { problem });
}
