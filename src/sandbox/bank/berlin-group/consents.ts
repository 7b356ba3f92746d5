import type Router from '@koa/router';
import { z } from 'zod';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import type { Consent } from '../../../index.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { accountNumberOf, textsOf } from '../api/consented-access.ts';
import { jsonBody } from '../api/request-body.ts';
import { sameJson } from '../api/same-json.ts';
import { BERLIN_BASE, berlinBody, type BerlinCalls } from './berlin-calls.ts';
import { berlinRefusal } from './berlin-refusals.ts';

const TYPE = 'account_information';
const MAX_ACCOUNTS = 20;

const accounts = z
  .array(z.strictObject({ iban: z.string().max(34) }))
  .max(MAX_ACCOUNTS)
  .optional();
const request = z.strictObject({
  access: z.strictObject({
    accounts,
    balances: accounts,
    transactions: accounts,
    allPsd2: z.literal('allAccounts').optional(),
  }),
  recurringIndicator: z.boolean(),
  validUntil: z.iso.date(),
  frequencyPerDay: z.int().min(1).max(24),
  combinedServiceIndicator: z.boolean(),
});

type Access = z.infer<typeof request>['access'];
type Named = NonNullable<Access['accounts']>;

/** The kinds of data of each member of `access`. Every kind brings the list of accounts. */
const ACTIONS = {
  accounts: ['list_accounts', 'read_account_details'],
  balances: ['list_accounts', 'read_balances'],
  transactions: ['list_accounts', 'read_transactions'],
} as const;
type Kind = keyof typeof ACTIONS;
const KINDS = Object.keys(ACTIONS) as Kind[];

/** `consentStatus`. A consent that someone ended was ended by its TPP, or by the customer. */
function consentStatus({ status, history }: Consent): string {
  if (status === 'revoked') {
    return history.at(-1)?.by.kind === 'tpp' ? 'terminatedByTpp' : 'revokedByPsu';
  }
  return (
    { 'awaiting-authorisation': 'received', authorised: 'valid', rejected: 'rejected' }[status as string] ??
    'expired'
  );
}

/** Consents for account information, made with the certificate alone. */
export function berlinConsents(router: Router, parts: BankParts, calls: BerlinCalls): void {
  const url = `${BERLIN_BASE}/consents`;
  const ofTpp = calls.ofTpp('PSP_AI');
  router.post(url, ...ofTpp, jsonBody, async (ctx) => {
    const asked = berlinBody(ctx, request);
    if (asked.combinedServiceIndicator) {
      throw berlinRefusal(
        'SESSIONS_NOT_SUPPORTED',
        'no session combines services',
        'combinedServiceIndicator',
      );
    }
    if (new Date(`${asked.validUntil}T23:59:59Z`) <= calls.now) {
      throw berlinRefusal('PERIOD_INVALID', 'validUntil is over', 'validUntil');
    }
    const { recurringIndicator: recurring, validUntil, frequencyPerDay } = asked;
    const { kinds, named } = askedOf(asked.access);
    const consent = await calls.stage(ctx, {
      type: TYPE,
      actions: [...new Set(kinds.flatMap((kind) => ACTIONS[kind]))],
      ...(named.length === 0 ? {} : { accounts: named }),
      ...{ recurring, validUntil, frequencyPerDay },
    });
    const links = calls.links(`/consents/${consent.consentId}`);
    ctx.status = 201;
    ctx.set({ 'aspsp-sca-approach': 'REDIRECT', location: links.self.href });
    ctx.body = { consentStatus: 'received', consentId: consent.consentId, _links: links };
  });
  router.get(`${url}/:id`, ...ofTpp, async (ctx) => {
    const consent = await calls.consentOfTpp(ctx, TYPE);
    const [detail] = consent.details;
    ctx.body = {
      access: detail && accessOf(detail, parts),
      recurringIndicator: detail?.recurring,
      validUntil: detail?.validUntil,
      frequencyPerDay: detail?.frequencyPerDay,
      consentStatus: consentStatus(consent),
    };
  });
  router.get(`${url}/:id/status`, ...ofTpp, async (ctx) => {
    ctx.body = { consentStatus: consentStatus(await calls.consentOfTpp(ctx, TYPE)) };
  });
  router.delete(`${url}/:id`, ...ofTpp, async (ctx) => calls.end(ctx, await calls.consentOfTpp(ctx, TYPE)));
}

/**
 * The kinds of data and the accounts of a request. An empty list leaves the accounts to the customer. Kinds with accounts of
 * their own are refused: the customer chooses accounts once, for all kinds.
 */
function askedOf(access: Access): { readonly kinds: readonly Kind[]; readonly named: Named } {
  const listed = KINDS.filter((kind) => access[kind] !== undefined);
  const kinds = access.allPsd2 === undefined ? listed : KINDS;
  if (kinds.length === 0) throw berlinRefusal('FORMAT_ERROR', 'access names no data', 'access');
  if (access.allPsd2 !== undefined && listed.length > 0) {
    throw berlinRefusal('FORMAT_ERROR', 'allPsd2 comes alone', 'access');
  }
  const [named = [], ...others] = listed.map((kind) => access[kind] ?? []);
  if (others.every((other) => sameJson(other, named))) return { kinds, named };
  throw berlinRefusal(
    'PARAMETER_NOT_SUPPORTED',
    'access names other accounts for each kind of data',
    'access',
  );
}

/** The member `access` of a detail: an account that the customer chose has the identifier of the bank. */
function accessOf({ accounts: chosen, actions }: AuthorizationDetail, { ledger }: Pick<BankParts, 'ledger'>) {
  const named = (Array.isArray(chosen) ? chosen : []).map((one) => {
    const number = accountNumberOf(one) ?? '';
    return { iban: ledger.find(number)?.iban ?? number };
  });
  const kinds = KINDS.filter((kind) => textsOf(actions).includes(ACTIONS[kind][1]));
  return Object.fromEntries(kinds.map((kind) => [kind, named]));
}
