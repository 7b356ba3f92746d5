import type Router from '@koa/router';
import type { Context } from 'koa';
import type { BankParts } from '../api/bank-parts.ts';
import { ConsentedAccess } from '../api/consented-access.ts';
import type { BankAccount, Booking } from '../ledger.ts';
import { BERLIN_BASE, type BerlinCalls } from './berlin-calls.ts';
import { berlinRefusal } from './berlin-refusals.ts';
import type { UnattendedAccess } from './unattended-access.ts';

const DATE_LENGTH = '2027-01-31'.length;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** Accounts, balances and transactions under a consent of the Berlin Group's API. */
export function berlinAccounts(
  router: Router,
  parts: BankParts,
  { calls, unattended }: { readonly calls: BerlinCalls; readonly unattended: UnattendedAccess },
): void {
  const ofCustomer = calls.ofCustomer('PSP_AI');
  const ofAccount = calls.ofCustomer('PSP_AI', { account: (ctx) => ctx.params.id });
  const accessOf = async (ctx: Context) => {
    const consent = await calls.consentOfToken(ctx);
    unattended.count(ctx, consent);
    return new ConsentedAccess(consent, parts.ledger);
  };
  const today = () => calls.now.toISOString().slice(0, DATE_LENGTH);

  router.get(`${BERLIN_BASE}/accounts`, ...ofCustomer, async (ctx) => {
    if (ctx.query.withBalance === 'true') {
      throw berlinRefusal('PARAMETER_NOT_SUPPORTED', 'balances have their own address', 'withBalance');
    }
    const access = await accessOf(ctx);
    ctx.body = {
      accounts: access
        .accounts()
        .filter((account) => access.allows('list_accounts', account))
        .map((account) => accountOf(access, account)),
    };
  });
  router.get(`${BERLIN_BASE}/accounts/:id`, ...ofAccount, async (ctx) => {
    const access = await accessOf(ctx);
    ctx.body = { account: accountOf(access, permitted(access, 'list_accounts', ctx)) };
  });
  router.get(`${BERLIN_BASE}/accounts/:id/balances`, ...ofAccount, async (ctx) => {
    const { iban, balance, currency } = permitted(await accessOf(ctx), 'read_balances', ctx);
    const balanceAmount = { currency, amount: balance };
    ctx.body = {
      account: { iban },
      balances: [{ balanceAmount, balanceType: 'interimAvailable', referenceDate: today() }],
    };
  });
  router.get(`${BERLIN_BASE}/accounts/:id/transactions`, ...ofAccount, async (ctx) => {
    const { from, to } = periodOf(ctx, today());
    const { accountId, iban, bookings, currency } = permitted(await accessOf(ctx), 'read_transactions', ctx);
    const booked = bookings.filter(({ bookingDate }) => bookingDate >= from && bookingDate <= to);
    ctx.body = {
      account: { iban },
      transactions: {
        booked: booked.map((booking) => transactionOf(booking, currency)),
        _links: { account: { href: `${BERLIN_BASE}/accounts/${accountId}` } },
      },
    };
  });
}

/** The account of the address, if the customer chose it and allows the action for it. */
function permitted(access: ConsentedAccess, action: string, ctx: Context): BankAccount {
  const account = access.account(String(ctx.params.id));
  if (account === undefined) {
    throw berlinRefusal('RESOURCE_UNKNOWN', 'the customer has not chosen this account', 'account-id');
  }
  if (access.allows(action, account)) return account;
  throw berlinRefusal('CONSENT_INVALID', `the customer has not consented to ${action} for this account`);
}

function accountOf(access: ConsentedAccess, account: BankAccount) {
  const { accountId, iban, currency, name, owner } = account;
  const href = `${BERLIN_BASE}/accounts/${accountId}`;
  const links = [
    ['balances', 'read_balances'],
    ['transactions', 'read_transactions'],
  ] as const;
  const allowed = links.filter(([, action]) => access.allows(action, account));
  return {
    resourceId: accountId,
    currency,
    name,
    cashAccountType: 'CACC',
    ...(access.allows('read_account_details', account) ? { iban, ownerName: owner } : {}),
    _links: Object.fromEntries(allowed.map(([path]) => [path, { href: `${href}/${path}` }])),
  };
}

function transactionOf({ transactionId, bookingDate, amount, party, reference }: Booking, currency: string) {
  return {
    transactionId,
    bookingDate,
    transactionAmount: { currency, amount },
    ...(amount.startsWith('-') ? { creditorName: party } : { debtorName: party }),
    ...(reference === undefined ? {} : { remittanceInformationUnstructured: reference }),
  };
}

/** `bookingStatus` and `dateFrom` are mandatory. */
function periodOf({ query }: Context, today: string) {
  const { bookingStatus, dateFrom, dateTo = today } = query;
  if (bookingStatus !== 'booked' && bookingStatus !== 'both') {
    throw berlinRefusal('PARAMETER_NOT_SUPPORTED', 'bookingStatus is booked or both', 'bookingStatus');
  }
  if (typeof dateFrom !== 'string' || !DATE.test(dateFrom)) {
    throw berlinRefusal('FORMAT_ERROR', 'dateFrom is no date', 'dateFrom');
  }
  if (typeof dateTo !== 'string' || !DATE.test(dateTo)) {
    throw berlinRefusal('FORMAT_ERROR', 'dateTo is no date', 'dateTo');
  }
  if (dateFrom > dateTo) throw berlinRefusal('PERIOD_INVALID', 'dateTo is before dateFrom', 'dateTo');
  return { from: dateFrom, to: dateTo };
}
