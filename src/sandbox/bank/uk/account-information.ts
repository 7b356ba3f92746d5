import type Router from '@koa/router';
import type { Context } from 'koa';
import type { BankParts } from '../api/bank-parts.ts';
import { ConsentedAccess } from '../api/consented-access.ts';
import type { BankAccount, Booking } from '../ledger.ts';
import type { UkPermission } from './account-access-consents.ts';
import { UK_BASE, type UkCalls } from './uk-calls.ts';
import { ukForbidden, ukRefusal } from './uk-refusals.ts';

const IBAN_SCHEME = 'UK.OBIE.IBAN';
const DATE_LENGTH = '2027-01-31'.length;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2})?)?$/;

type Answer = (access: ConsentedAccess, accounts: readonly BankAccount[], ctx: Context) => object;

/** Accounts, balances and transactions: each member of an answer needs its permission. */
export function accountInformation(router: Router, parts: BankParts, calls: UkCalls): void {
  const route = (path: string, permissions: readonly UkPermission[], answer: Answer) => {
    const account = (ctx: Context) => ctx.params.id;
    const covers = { permissions: [permissions], ...(path.includes(':id') ? { account } : {}) };
    router.get(`${UK_BASE}/aisp${path}`, calls.ofCustomer('accounts', covers), async (ctx) => {
      const access = new ConsentedAccess(await calls.consentOfToken(ctx), parts.ledger);
      ctx.body = {
        Data: answer(access, accountsOf(access, ctx.params.id), ctx),
        Links: { Self: `${parts.origin}${ctx.originalUrl}` },
        Meta: { TotalPages: 1 },
      };
    });
  };
  for (const path of ['/accounts', '/accounts/:id']) {
    route(path, ['ReadAccountsBasic', 'ReadAccountsDetail'], (access, found) => ({
      Account: found.map((account) => accountOf(access, account)),
    }));
  }
  for (const path of ['/balances', '/accounts/:id/balances']) {
    route(path, ['ReadBalances'], (_access, found) => ({
      Balance: found.map((account) => balanceOf(account, calls.now)),
    }));
  }
  for (const path of ['/transactions', '/accounts/:id/transactions']) {
    route(path, ['ReadTransactionsBasic', 'ReadTransactionsDetail'], (access, found, ctx) => ({
      Transaction: found.flatMap((account) => transactionsOf(access, account, periodOf(access, ctx))),
    }));
  }
}

function accountsOf(access: ConsentedAccess, id: string | undefined): readonly BankAccount[] {
  if (id === undefined) return access.accounts();
  const account = access.account(id);
  if (account === undefined) throw ukForbidden('the customer has not chosen this account');
  return [account];
}

function accountOf(access: ConsentedAccess, { accountId, currency, name, iban, owner }: BankAccount) {
  return {
    AccountId: accountId,
    Status: 'Enabled',
    Currency: currency,
    AccountCategory: 'Personal',
    AccountTypeCode: 'CACC',
    Nickname: name,
    ...(access.hasPermission('ReadAccountsDetail')
      ? { Account: [{ SchemeName: IBAN_SCHEME, Identification: iban, Name: owner }] }
      : {}),
  };
}

function balanceOf({ accountId, balance, currency }: BankAccount, now: Date) {
  return {
    AccountId: accountId,
    ...directed(balance, currency),
    Type: 'ITAV',
    DateTime: now.toISOString(),
  };
}

function transactionsOf(
  access: ConsentedAccess,
  { accountId, bookings, currency }: BankAccount,
  { from, to }: { readonly from: string; readonly to: string },
) {
  const isShown = ({ amount, bookingDate }: Booking) =>
    access.hasPermission(amount.startsWith('-') ? 'ReadTransactionsDebits' : 'ReadTransactionsCredits') &&
    bookingDate >= from &&
    bookingDate <= to;
  return bookings.filter(isShown).map(({ transactionId, bookingDate, amount, party, reference }) => ({
    AccountId: accountId,
    TransactionId: transactionId,
    Status: 'BOOK',
    BookingDateTime: `${bookingDate}T00:00:00.000Z`,
    ...directed(amount, currency),
    ...(access.hasPermission('ReadTransactionsDetail')
      ? { TransactionInformation: reference === undefined ? party : `${party}, ${reference}` }
      : {}),
  }));
}

/** The days that the customer and the request both have. */
function periodOf({ consent }: ConsentedAccess, ctx: Context) {
  const [detail] = consent.details;
  const days = (...values: readonly unknown[]) =>
    values.filter((value) => typeof value === 'string').map((value) => value.slice(0, DATE_LENGTH));
  const [first, last] = [queriedDate(ctx, 'fromBookingDateTime'), queriedDate(ctx, 'toBookingDateTime')];
  return {
    from: days(detail?.transactionsFrom, first).toSorted().at(-1) ?? '',
    to: days(detail?.transactionsTo, last).toSorted()[0] ?? '9999-12-31',
  };
}

function queriedDate({ query }: Context, name: string): string | undefined {
  const value = query[name];
  if (value === undefined || (typeof value === 'string' && DATE_TIME.test(value))) return value;
  throw ukRefusal('fieldInvalidDate', `${name} is no ISO 8601 date-time`, name);
}

function directed(amount: string, currency: string) {
  return {
    CreditDebitIndicator: amount.startsWith('-') ? 'Debit' : 'Credit',
    Amount: { Amount: amount.replace('-', ''), Currency: currency },
  };
}
