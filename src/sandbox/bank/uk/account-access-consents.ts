import type Router from '@koa/router';
import { z } from 'zod';
import type { Consent } from '../../../index.ts';
import { textsOf } from '../api/consented-access.ts';
import { jsonBody } from '../api/request-body.ts';
import { UK_BASE, ukBody, type UkCalls, ukConsentFacts } from './uk-calls.ts';
import { ukRefusal } from './uk-refusals.ts';

/** The kinds of data of each permission (UK Read/Write API, account-access-consents, "Permissions"). */
const ACTIONS = {
  ReadAccountsBasic: ['list_accounts'],
  ReadAccountsDetail: ['list_accounts', 'read_account_details'],
  ReadBalances: ['read_balances'],
  ReadTransactionsBasic: ['read_transactions'],
  ReadTransactionsDetail: ['read_transactions'],
  ReadTransactionsCredits: ['read_transactions'],
  ReadTransactionsDebits: ['read_transactions'],
} as const;

export type UkPermission = keyof typeof ACTIONS;
const PERMISSIONS = Object.keys(ACTIONS) as UkPermission[];
const PATH = '/aisp/account-access-consents';
const TYPE = 'account_information';

const dateTime = z.iso.datetime({ offset: true });
const request = z.strictObject({
  Data: z.strictObject({
    Permissions: z.array(z.enum(PERMISSIONS)).min(1),
    ExpirationDateTime: dateTime.optional(),
    TransactionFromDateTime: dateTime.optional(),
    TransactionToDateTime: dateTime.optional(),
  }),
  Risk: z.strictObject({}),
});

/** Consents for account information: staged by the TPP, authorised by the customer at the authorization server. */
export function accountAccessConsents(router: Router, calls: UkCalls): void {
  const url = `${UK_BASE}${PATH}`;
  const ofTpp = calls.ofTpp('accounts');
  router.post(url, ...ofTpp, jsonBody, async (ctx) => {
    const { Data } = ukBody(ctx, request);
    assertPermissions(Data.Permissions);
    if (Data.ExpirationDateTime !== undefined && new Date(Data.ExpirationDateTime) <= calls.now) {
      throw ukRefusal('fieldInvalidDate', 'the expiration is over', 'Data.ExpirationDateTime');
    }
    const consent = await calls.stage(ctx, {
      type: TYPE,
      actions: [...new Set(Data.Permissions.flatMap((one) => ACTIONS[one]))],
      permissions: Data.Permissions,
      ...given('transactionsFrom', Data.TransactionFromDateTime),
      ...given('transactionsTo', Data.TransactionToDateTime),
      ...given('validUntil', Data.ExpirationDateTime),
    });
    ctx.status = 201;
    ctx.body = answer(calls, consent);
  });
  router.get(`${url}/:id`, ...ofTpp, async (ctx) => {
    ctx.body = answer(calls, await calls.consentOfTpp(ctx, TYPE));
  });
  router.delete(`${url}/:id`, ...ofTpp, async (ctx) => calls.end(ctx, await calls.consentOfTpp(ctx, TYPE)));
}

/** The combinations that the standard demands. */
function assertPermissions(asked: readonly UkPermission[]): void {
  const has = (...names: readonly UkPermission[]) => names.some((name) => asked.includes(name));
  const isDirected = has('ReadTransactionsCredits', 'ReadTransactionsDebits');
  const problems = [
    [new Set(asked).size < asked.length, 'a permission comes twice'],
    [!has('ReadAccountsBasic', 'ReadAccountsDetail'), 'ReadAccountsBasic or ReadAccountsDetail is missing'],
    [
      has('ReadTransactionsBasic', 'ReadTransactionsDetail') !== isDirected,
      'ReadTransactionsBasic or …Detail comes with ReadTransactionsCredits or …Debits, and never alone',
    ],
  ] as const;
  const [, problem] = problems.find(([isSo]) => isSo) ?? [];
  if (problem !== undefined) throw ukRefusal('fieldInvalid', problem, 'Data.Permissions');
}

function answer(calls: UkCalls, consent: Consent) {
  const [detail] = consent.details;
  return {
    Data: {
      ...ukConsentFacts(consent),
      Permissions: textsOf(detail?.permissions),
      ...given('ExpirationDateTime', detail?.validUntil),
      ...given('TransactionFromDateTime', detail?.transactionsFrom),
      ...given('TransactionToDateTime', detail?.transactionsTo),
    },
    Risk: {},
    ...calls.frame(`${PATH}/${consent.consentId}`),
  };
}

/** A member with a text, or none. */
function given(name: string, value: unknown): { readonly [name: string]: string } {
  return typeof value === 'string' ? { [name]: value } : {};
}
