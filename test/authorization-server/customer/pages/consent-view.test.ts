import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CUSTOMER_CLAIM_NAMES } from '../../../../src/authorization-server/customer/claims/customer-claims.ts';
import {
  type AskedContent,
  consentView,
  shortTexts,
} from '../../../../src/authorization-server/customer/pages/consent-view/consent-view.ts';
import { accountInformationSchema } from '../../../../src/consent/details/account-information.ts';
import { paymentInitiationSchema } from '../../../../src/consent/details/payment-initiation.ts';
import { Languages } from '../../../../src/authorization-server/customer/pages/words/languages.ts';

const words = new Languages().default;
const viewOf = (asked: Partial<AskedContent>) =>
  consentView({ details: [], scopes: [], claims: [], ...asked }, words);
const onlyPart = (asked: Partial<AskedContent>) => {
  const { parts } = viewOf(asked);
  const [part] = parts;
  if (part === undefined || parts.length > 1) throw new Error(`${parts.length} parts`);
  return part;
};
const factsOf = (asked: Partial<AskedContent>) =>
  Object.fromEntries(onlyPart(asked).facts.map(({ name, value }) => [name, value]));

const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '1234.50' },
  creditorName: 'Merchant A/S',
  creditorAccount: { iban: 'DE02100100109307118603' },
};

describe('the words for a payment', () => {
  it('has amount and payee first, and the account of the payee in full (RTS article 5)', () => {
    expect(onlyPart({ details: [PAYMENT] }).payment).toEqual({
      amount: '€1,234.50',
      payee: 'Merchant A/S',
      payeeAccount: 'DE02 1001 0010 9307 1186 03',
    });
  });

  it('never rounds an amount', () => {
    const amountOf = (currency: string, amount: string) =>
      onlyPart({ details: [{ ...PAYMENT, instructedAmount: { currency, amount } }] }).payment?.amount;
    expect(amountOf('EUR', '0.005')).toBe('€0.005');
    expect(amountOf('EUR', '12')).toBe('€12.00');
    expect(amountOf('JPY', '1200')).toBe('JP¥1,200');
    expect(amountOf('KWD', '1.125')).toBe('KWD\u00a01.125');
    expect(amountOf('EUR', '90071992547409931.27')).toBe('€90,071,992,547,409,931.27');
  });

  it('masks the account of the customer, and shows reference and date', () => {
    const detail = {
      ...PAYMENT,
      debtorAccount: { iban: 'GB29NWBK60161331926819' },
      creditorAgent: 'DEUTDEFF',
      remittanceInformationUnstructured: 'Invoice 17',
      endToEndIdentification: 'E2E-1',
      requestedExecutionDate: '2026-12-24',
      actions: ['initiate', 'status', 'cancel'],
    };
    expect(factsOf({ details: [detail] })).toEqual({
      'from-account': '•••• 6819',
      'payee-bank': 'DEUTDEFF',
      reference: 'Invoice 17',
      'payer-reference': 'E2E-1',
      date: '24 December 2026',
      allowed: 'see the status of the payment and cancel the payment',
    });
  });

  it('names how often a standing order is paid, and until when', () => {
    const frequency = { interval: 'monthly', firstDate: '2027-01-01' };
    const detail = { ...PAYMENT, kind: 'standing-order', frequency };
    expect(viewOf({ details: [detail] }).kind).toBe('standing-order');
    expect(factsOf({ details: [detail] })).toEqual({
      frequency: 'every month',
      'first-date': '1 January 2027',
      'last-date': 'until you cancel it',
    });
  });

  it('names every limit of payments that vary', () => {
    const limits = {
      maximumIndividualAmount: { currency: 'GBP', amount: '100.00' },
      periodic: [
        { period: 'month', amount: { currency: 'GBP', amount: '500.00' } },
        { period: 'year', amount: { currency: 'GBP', amount: '5000.00' } },
      ],
      validTo: '2027-11-29',
    };
    const { facts, payment } = onlyPart({
      details: [{ ...PAYMENT, kind: 'variable-recurring', instructedAmount: undefined, limits }],
    });
    expect(payment?.amount).toBeUndefined();
    expect(facts.map(({ label, value }) => `${label}: ${value}`)).toEqual([
      'At most per payment: £100.00',
      'At most per month: £500.00',
      'At most per year: £5,000.00',
      'Until: 29 November 2027',
    ]);
  });

  it.each([
    [{ iban: 'DE02100100109307118603' }, 'DE02 1001 0010 9307 1186 03'],
    [{ scheme: 'UK.OBIE.SortCodeAccountNumber', identification: '11280001234567' }, '11-28-00 01234567'],
    [{ scheme: 'UK.OBIE.PAN', identification: '5409050000000000' }, '•••• 0000'],
    [{ maskedPan: '123456xxxxxx1234' }, '•••• 1234'],
    [{ bban: 'BARC12345612345678' }, 'BARC12345612345678'],
  ])('shows the account of a payee so that it can be compared: %j', (creditorAccount, shown) => {
    expect(onlyPart({ details: [{ ...PAYMENT, creditorAccount }] }).payment?.payeeAccount).toBe(shown);
  });
});

describe('the words for account information', () => {
  const clustersOf = (detail: object) =>
    onlyPart({ details: [{ type: 'account_information', ...detail }] }).clusters;

  it('groups actions by kind of data', () => {
    const found = clustersOf({ actions: ['read_balances', 'list_accounts', 'read_account_details'] });
    expect(found.map(({ code, permissions }) => [code, permissions.length])).toEqual([
      ['accounts', 2],
      ['balances', 1],
    ]);
  });

  it('prefers permissions to the actions of the same kind: they are finer', () => {
    const detail = {
      actions: ['read_transactions', 'read_balances'],
      permissions: ['ReadTransactionsBasic'],
    };
    expect(clustersOf(detail).map(({ code, permissions }) => [code, ...permissions])).toEqual([
      ['balances', 'Balances'],
      ['transactions', 'Transactions, without the names of the other side'],
    ]);
  });

  it('has words for the permissions of the UK and of Brazil, and leaves none out', () => {
    const permissions = ['ReadPAN', 'CREDIT_CARDS_ACCOUNTS_BILLS_READ', 'LOANS_WARRANTIES_READ', 'ReadMoon'];
    expect(clustersOf({ permissions }).map(({ code, permissions: texts }) => [code, ...texts])).toEqual([
      ['accounts', 'Card numbers in full'],
      ['cards', 'Card bills'],
      ['credit', 'Securities'],
      ['other', 'ReadMoon'],
    ]);
  });

  it('names purpose, accounts, the range of transactions and how often', () => {
    const detail = {
      type: 'account_information',
      actions: ['read_transactions'],
      accounts: [{ iban: 'GB29NWBK60161331926819' }, { iban: 'GB29NWBK60161331926820' }],
      transactionsFrom: '2026-01-01',
      transactionsTo: '2026-12-31',
      purpose: 'Budget',
      frequencyPerDay: 4,
    };
    expect(factsOf({ details: [detail] })).toEqual({
      purpose: 'Budget',
      accounts: '•••• 6819 and •••• 6820',
      transactions: 'from 1 January 2026 to 31 December 2026',
      'how-often': 'up to 4 times a day',
    });
    expect(factsOf({ details: [{ ...detail, recurring: false }] })['how-often']).toBe('one time only');
  });
});

describe('the words for details', () => {
  /** Every value of a choice in a schema. */
  const choicesIn = (schema: unknown): readonly string[] => {
    if (Array.isArray(schema)) return schema.flatMap(choicesIn);
    if (typeof schema !== 'object' || schema === null) return [];
    if ('enum' in schema && Array.isArray(schema.enum)) return schema.enum.map(String);
    return Object.values(schema).flatMap(choicesIn);
  };
  const json = (schema: z.ZodType) => z.toJSONSchema(schema, { unrepresentable: 'any' });

  it('are there for each action, interval and period that a request can name', () => {
    const actions = choicesIn(json(accountInformationSchema));
    expect(actions).toHaveLength(12);
    for (const action of actions) expect(words.findText(`data.${action}`), action).toBeDefined();
    const { properties } = json(paymentInitiationSchema);
    const intervals = choicesIn(properties?.frequency);
    expect(intervals).toHaveLength(8);
    for (const interval of intervals) expect(words.findText(`interval.${interval}`), interval).toBeDefined();
    const periods = choicesIn(properties?.limits);
    expect(periods).toHaveLength(6);
    for (const period of periods) expect(words.findText(`period.${period}`), period).toBeDefined();
  });
});

describe('the words for everything else', () => {
  it('shows each member of a type of the bank: none is approved unseen', () => {
    const detail = { type: 'tax_report', year: 2026, parts: [{ kind: 'interest', isFinal: true }] };
    const part = onlyPart({ details: [detail] });
    expect(part.title).toBe('tax_report');
    expect(part.facts.map(({ label, value }) => [label, value])).toEqual([
      ['year', '2026'],
      ['parts – kind', 'interest'],
      ['parts – isFinal', 'yes'],
    ]);
  });

  it('shows the account whose funds are confirmed, masked', () => {
    const detail = { type: 'funds_confirmation', account: { iban: 'GB29NWBK60161331926819' } };
    expect(factsOf({ details: [detail] })).toEqual({ account: '•••• 6819' });
    expect(viewOf({ details: [detail] }).kind).toBe('funds');
  });

  it('shows scopes, the APIs’ first, and does not repeat what details say', () => {
    const scopes = ['openid', 'payments', 'accounts', 'moon'];
    const { parts, kind } = viewOf({ scopes, details: [PAYMENT] });
    expect(parts.map(({ title }) => title)).toEqual([
      'Payment',
      'See your accounts',
      'moon',
      'Recognise you',
    ]);
    expect(kind).toBe('several');
  });

  it('asks for identity only where nothing else is asked for', () => {
    expect(viewOf({ scopes: ['openid'] }).kind).toBe('identity');
    expect(viewOf({ scopes: ['openid', 'accounts'] }).kind).toBe('accounts');
  });

  it('names the claims, each by its own words', () => {
    const { parts } = viewOf({ claims: CUSTOMER_CLAIM_NAMES });
    for (const name of CUSTOMER_CLAIM_NAMES) expect(words.findText(`claim.${name}`)).toBeDefined();
    expect(parts[0]?.text).toMatch(/^Your name, your first name, .* and when these details changed last\.$/);
  });

  it('can be said in pairs of a title and a sentence', () => {
    expect(shortTexts(viewOf({ details: [PAYMENT], scopes: ['openid'] }))).toEqual([
      { title: 'Payment', text: '€1,234.50 · Merchant A/S · DE02 1001 0010 9307 1186 03' },
      { title: 'Recognise you', text: expect.any(String) },
    ]);
  });
});
