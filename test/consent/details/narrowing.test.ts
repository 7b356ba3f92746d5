import { describe, expect, it } from 'vitest';
import type { AuthorizationDetail } from '../../../src/consent/details/authorization-detail.ts';
import { type DetailType, DetailTypes } from '../../../src/consent/details/detail-types.ts';
import { allowedDetails, findChoiceProblem } from '../../../src/consent/details/narrowing.ts';

const own: DetailType = { type: 'own', scope: 'accounts', kind: 'other', findProblem: () => undefined };
const types = new DetailTypes([own], ['accounts', 'payments', 'fundsconfirmations']);
const [ONE, TWO, THREE] = ['1', '2', '3'].map((identification) => ({ scheme: 'account-id', identification }));
const account = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
  permissions: ['ReadBalances', 'ReadAccountsBasic'],
  accounts: [ONE, TWO],
  transactionsFrom: '2026-01-01',
  transactionsTo: '2026-12-31',
  validUntil: '2027-01-31',
  frequencyPerDay: 4,
  purpose: 'Budget',
} as unknown as AuthorizationDetail;
const payment = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '10.00' },
  creditorName: 'Merchant',
  creditorAccount: { iban: 'DE89370400440532013000' },
  actions: ['initiate', 'status'],
} as unknown as AuthorizationDetail;

const narrow = (wished: object, allowed: AuthorizationDetail[] = [account, payment]) =>
  types.narrow([wished as AuthorizationDetail], allowed);

describe('I10: a token request for some of the authorization details (RFC 9396 §6.1)', () => {
  it.each<[string, object]>([
    ['the same', account],
    ['fewer actions', { ...account, actions: ['read_balances'] }],
    ['fewer permissions', { ...account, permissions: ['ReadBalances'] }],
    ['one account', { ...account, accounts: [TWO] }],
    ['a later start', { ...account, transactionsFrom: '2026-06-01' }],
    ['an earlier end', { ...account, transactionsTo: '2026-06-01T00:00:00Z', validUntil: '2026-12-31' }],
    ['fewer calls', { ...account, frequencyPerDay: 1 }],
    ['another order of members', Object.fromEntries(Object.entries(account).toReversed())],
    ['fewer actions of a payment', { ...payment, actions: ['status'] }],
  ])('takes %s', (_name, wished) => {
    expect(narrow(wished)).toEqual([wished]);
  });

  it('keeps the bounds that the request leaves out', () => {
    const { accounts: _accounts, validUntil: _end, ...rest } = account;
    expect(narrow({ ...rest, actions: ['list_accounts'] })).toEqual([
      { ...account, actions: ['list_accounts'] },
    ]);
  });

  it.each<[string, object]>([
    ['one more action', { ...account, actions: ['list_accounts', 'read_party'] }],
    ['another permission', { ...account, permissions: ['ReadPAN'] }],
    ['another account', { ...account, accounts: [ONE, THREE] }],
    ['an account in another way', { ...account, accounts: [{ bban: '1' }] }],
    ['an earlier start', { ...account, transactionsFrom: '2025-12-31' }],
    ['a later end', { ...account, transactionsTo: '2027-01-01' }],
    ['a longer access', { ...account, validUntil: '2027-02-01' }],
    ['more calls', { ...account, frequencyPerDay: 5 }],
    ['another purpose', { ...account, purpose: 'Credit' }],
    ['a member that was not asked for', { ...account, recurring: true }],
    ['one cent more', { ...payment, instructedAmount: { currency: 'EUR', amount: '10.01' } }],
    ['one cent less', { ...payment, instructedAmount: { currency: 'EUR', amount: '9.99' } }],
    ['another payee', { ...payment, creditorName: 'merchant' }],
    ['a debtor', { ...payment, debtorAccount: { bban: '1' } }],
    ['cancelling', { ...payment, actions: ['initiate', 'status', 'cancel'] }],
    ['another type', { type: 'funds_confirmation', account: { bban: '1' } }],
  ])('refuses %s', (_name, wished) => {
    expect(() => narrow(wished)).toThrow('ERR_AUTHORIZATION_DETAILS');
  });

  it('takes an own type only as it was allowed', () => {
    const detail = { type: 'own', actions: ['a', 'b'] };
    expect(narrow(detail, [detail])).toEqual([detail]);
    expect(() => narrow({ ...detail, actions: ['a'] }, [detail])).toThrow('ERR_AUTHORIZATION_DETAILS');
  });
});

describe('the details that a customer has allowed (RFC 9396 §7.1)', () => {
  it('name the accounts that the customer chose, in place of those that were asked for', () => {
    const asked = { ...account, accounts: [{ iban: 'DE89370400440532013000' }] };
    expect(allowedDetails([asked, payment], ['1'])).toEqual([{ ...account, accounts: [ONE] }, payment]);
    expect(allowedDetails([payment], [])).toEqual([payment]);
  });

  it('are one choice of accounts for all, so that none is allowed for the accounts of another (K1)', () => {
    const of = (...accounts: readonly (object | undefined)[]) =>
      accounts.map(
        (one) => ({ type: 'account_information', ...(one && { accounts: [one] }) }) as AuthorizationDetail,
      );
    const [iban, other] = [{ iban: 'DE89370400440532013000' }, { iban: 'GB29NWBK60161331926819' }];
    expect(findChoiceProblem([...of(iban, iban), payment])).toBeUndefined();
    expect(findChoiceProblem(of(undefined, undefined))).toBeUndefined();
    // Chosen before, of an access that a request extends.
    expect(findChoiceProblem(of(ONE, undefined, TWO))).toBeUndefined();
    expect(findChoiceProblem(of(iban, other))).toContain('several requests');
    expect(findChoiceProblem(of(iban, undefined))).toContain('several requests');
  });
});
