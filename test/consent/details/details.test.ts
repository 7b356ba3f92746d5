import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AuthorizationDetail, Json } from '../../../src/consent/details/authorization-detail.ts';
import { DetailTypes, validUntilOf } from '../../../src/consent/details/detail-types.ts';
import { isIban } from '../../../src/consent/details/account.ts';
import { decimalsOf } from '../../../src/consent/details/amount.ts';
import { isRefusal } from '../../../src/errors.ts';

const types = new DetailTypes([], ['accounts', 'payments', 'fundsconfirmations']);
const IBAN = 'DE89370400440532013000';

const account: AuthorizationDetail = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances', 'read_transactions'],
  permissions: ['ReadAccountsBasic', 'ACCOUNTS_BALANCES_READ'],
  accounts: [{ iban: IBAN }, { scheme: 'UK.OBIE.SortCodeAccountNumber', identification: '11280001234567' }],
  transactionsFrom: '2026-01-01',
  transactionsTo: '2026-12-31T00:00:00+00:00',
  validUntil: '2027-01-31',
  recurring: true,
  frequencyPerDay: 4,
  purpose: 'Your budget',
  locations: ['https://api.bank.example'],
};
const payment: AuthorizationDetail = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Ångström & Söhne GmbH',
  creditorAccount: { iban: IBAN },
  creditorAgent: 'COBADEFFXXX',
  debtorAccount: { bban: '0532013000' },
  remittanceInformationUnstructured: 'Ref Number Merchant',
  endToEndIdentification: 'E2E-1',
  requestedExecutionDate: '2027-01-31',
  actions: ['initiate', 'status'],
};
const standing: AuthorizationDetail = {
  type: 'payment_initiation',
  kind: 'standing-order',
  instructedAmount: { currency: 'GBP', amount: '10.00' },
  creditorName: 'Landlord',
  creditorAccount: { maskedPan: '123456xxxxxx1234' },
  frequency: { interval: 'monthly', firstDate: '2027-01-31', lastDate: '2027-12-31' },
};
const variable: AuthorizationDetail = {
  type: 'payment_initiation',
  kind: 'variable-recurring',
  creditorName: 'Savings',
  creditorAccount: { iban: IBAN },
  limits: {
    maximumIndividualAmount: { currency: 'GBP', amount: '100.00' },
    periodic: [{ period: 'month', amount: { currency: 'GBP', amount: '300.00' } }],
    validTo: '2027-06-30',
  },
};
const funds: AuthorizationDetail = { type: 'funds_confirmation', account: { iban: IBAN } };

/** The problem of a list, or undefined. */
function problemOf(value: unknown): string | undefined {
  try {
    types.parse(value);
    return undefined;
  } catch (error) {
    if (isRefusal(error, 'ERR_AUTHORIZATION_DETAILS')) return error.details.problem;
    throw error;
  }
}
const withMember = (detail: AuthorizationDetail, member: string, value: Json) => [
  { ...detail, [member]: value },
];
const paying = (currency: Json, amount: Json) =>
  withMember(payment, 'instructedAmount', { currency, amount });

describe('authorization details (RFC 9396 §5)', () => {
  it('takes every type with every member, and returns what came in', () => {
    const all = [account, payment, standing, variable, funds];
    expect(types.parse(all)).toBe(all);
    expect(types.of(all).map(({ scope }) => scope)).toEqual([
      'accounts',
      'payments',
      'payments',
      'payments',
      'fundsconfirmations',
    ]);
  });

  it('has only types whose scope the APIs have', () => {
    const few = new DetailTypes([], ['accounts']);
    expect(few.names).toEqual(['account_information']);
    expect(() => few.parse([payment])).toThrow('ERR_AUTHORIZATION_DETAILS');
  });

  it.each<[string, unknown]>([
    ['no list', {}],
    ['an empty list', []],
    ['a text', '[]'],
    ['null', null],
    ['a list in a list', [[account]]],
    ['a number in the list', [1]],
    ['null in the list', [null]],
    ['eleven objects', Array.from({ length: 11 }, () => funds)],
    ['no type', [{ actions: ['list_accounts'] }]],
    ['a type of another kind', [{ ...account, type: 1 }]],
    ['an unknown type', [{ ...account, type: 'accounts' }]],
    ['the name of a member of objects', [{ type: 'constructor' }]],
    ['a second one with a fault', [account, { type: 'toString' }]],
  ])('I9: refuses %s', (_name, value) => {
    expect(problemOf(value)).toBeDefined();
  });

  it.each([account, payment, standing, variable, funds])(
    'I9: refuses an unknown member of $type',
    (detail) => {
      expect(problemOf(withMember(detail, 'extra', 'x'))).toBe('[0] extra is not a member of the type');
      const hidden = JSON.parse(JSON.stringify([detail]).replace('{', '{"__proto__":{"a":1},'));
      expect(problemOf(hidden)).toBeDefined();
    },
  );

  it.each(['creditorAccount', 'debtorAccount', 'instructedAmount'])(
    'I9: refuses unknown members in %s',
    (member) => {
      const inner = payment[member] as Record<string, Json>;
      expect(problemOf(withMember(payment, member, { ...inner, extra: 1 }))).toContain(member);
    },
  );

  it.each([account, payment, standing, variable, funds])(
    'I9: refuses each member of $type with a value of another type',
    (detail) => {
      for (const member of Object.keys(detail)) {
        for (const value of [null, 7, {}, [], [7], [[]], true, '']) {
          if (
            JSON.stringify(detail[member]) === JSON.stringify(value) ||
            (member === 'recurring' && value === true)
          )
            continue;
          if (member === 'frequencyPerDay' && value === 7) continue;
          expect(
            problemOf(withMember(detail, member, value)),
            `${member} ${JSON.stringify(value)}`,
          ).toBeDefined();
        }
      }
    },
  );

  it.each(
    Object.entries({
      actions: [['list_accounts', 'list_accounts'], ['everything'], Array(100).fill('list_accounts')],
      permissions: [['a b'], Array(61).fill('A')],
      accounts: [[{ iban: IBAN, bban: '1' }], Array(101).fill({ iban: IBAN })],
      transactionsFrom: ['2027-02-30', '2027-1-1', '31.01.2027', '2028-01-01', '2026-01-01T00:00:00'],
      frequencyPerDay: [0, -1, 1.5, 10_001],
      purpose: ['x'.repeat(141), ' x', 'x\u202egnp', 'a\u0000', 'a\nb', '\ud800', '\u200b'],
      locations: [['http://api.bank.example'], ['api'], [`https://a.example/${'a'.repeat(600)}`]],
    }),
  )('I9: refuses a %s out of bounds', (member, values) => {
    for (const value of values) {
      expect(problemOf(withMember(account, member, value as Json)), JSON.stringify(value)).toContain(member);
    }
  });

  it('I9: refuses a list of more than 16,384 characters', () => {
    const big = { ...account, accounts: Array(100).fill({ scheme: 's', identification: 'i'.repeat(256) }) };
    expect(problemOf([big])).toBe('must have at most 16384 characters');
  });

  it('refuses what does not fit together', () => {
    expect(problemOf(withMember(account, 'transactionsTo', '2025-12-31'))).toContain('transactionsTo');
    expect(problemOf(withMember(account, 'recurring', false))).toContain('frequencyPerDay');
    expect(problemOf(withMember(payment, 'frequency', standing.frequency ?? null))).toContain('frequency');
    expect(problemOf(withMember(payment, 'kind', 'standing-order'))).toBeDefined();
    expect(problemOf(withMember(payment, 'kind', 'variable-recurring'))).toBeDefined();
    expect(problemOf(withMember(standing, 'requestedExecutionDate', '2027-01-31'))).toContain(
      'requestedExecutionDate',
    );
    const { instructedAmount: _amount, ...without } = payment;
    expect(problemOf([without])).toContain('instructedAmount is required for single');
    const limits = variable.limits as Record<string, Json>;
    const periodic = [{ period: 'month', amount: { currency: 'EUR', amount: '300.00' } }];
    expect(problemOf(withMember(variable, 'limits', { ...limits, periodic }))).toContain('limits.periodic');
  });

  it('gives the earliest end of several details, of a day its last moment', () => {
    expect(validUntilOf([account, variable])?.toISOString()).toBe('2027-01-31T23:59:59.999Z');
    expect(validUntilOf([variable])?.toISOString()).toBe('2027-06-30T23:59:59.999Z');
    expect(validUntilOf([payment])).toBeUndefined();
  });
});

describe('amounts', () => {
  it.each<[Json, Json]>([
    ['EUR', '1e2'],
    ['EUR', '10.00 '],
    ['EUR', ' 10.00'],
    ['EUR', '-10.00'],
    ['EUR', '+10.00'],
    ['EUR', '10'],
    ['EUR', '10.0'],
    ['EUR', '10.000'],
    ['EUR', '010.00'],
    ['EUR', '.50'],
    ['EUR', '10.'],
    ['EUR', '0.00'],
    ['EUR', '10,00'],
    ['EUR', '1,000.00'],
    ['EUR', '0x10'],
    ['EUR', 'NaN'],
    ['EUR', 'Infinity'],
    ['EUR', '١٠.٠٠'],
    ['EUR', '１０.００'],
    ['EUR', '10.00\n'],
    ['EUR', '99999999999999.00'],
    ['EUR', 10],
    ['EUR', null],
    ['JPY', '100.000'],
    ['JPY', '100.00'],
    ['BHD', '1.00'],
    ['eur', '10.00'],
    ['EURO', '10.00'],
    ['', '10.00'],
    ['XXY', '10.00'],
  ])('I9: refuses %j %j', (currency, amount) => {
    expect(problemOf(paying(currency, amount))).toContain('instructedAmount');
  });

  it.each([
    ['EUR', '0.01'],
    ['JPY', '100'],
    ['BHD', '1.234'],
    ['GBP', '9999999999999.99'],
  ])('takes %s %s', (currency, amount) => {
    expect(problemOf(paying(currency, amount))).toBeUndefined();
  });

  it('I9: takes a text only if it is the one way of writing its amount', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('EUR', 'JPY', 'BHD', 'CLF'),
        fc.string({ unit: 'grapheme', maxLength: 12 }),
        (currency, text) => {
          if (problemOf(paying(currency, text)) !== undefined) return;
          expect(Number(text).toFixed(decimalsOf(currency))).toBe(text);
          expect(Number(text)).toBeGreaterThan(0);
        },
      ),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 ** 12 }), (cents) => {
        expect(problemOf(paying('EUR', (cents / 100).toFixed(2)))).toBeUndefined();
      }),
    );
  });
});

describe('IBANs (ISO 13616)', () => {
  it.each([
    'DE89370400440532013000',
    'GB82WEST12345698765432',
    'FR1420041010050500013M02606',
    'NO9386011117947',
    'MT84MALT011000012345MTLCAST001S',
  ])('takes %s', (iban) => {
    expect(isIban(iban)).toBe(true);
  });

  it.each([
    'DE88370400440532013000',
    'de89370400440532013000',
    'DE89 3704 0044 0532 0130 00',
    'DE00370400440532013000',
    'DE8937040044053201300',
    '',
    'XX',
    'DE89370400440532013000\n',
    'DE8937040044053201３000',
  ])('refuses %j', (iban) => {
    expect(isIban(iban)).toBe(false);
  });

  it('refuses an IBAN with one digit changed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: IBAN.length - 1 }), fc.integer({ min: 1, max: 9 }), (at, by) => {
        const digit = String((Number(IBAN[at]) + by) % 10);
        expect(isIban(IBAN.slice(0, at) + digit + IBAN.slice(at + 1))).toBe(false);
      }),
    );
  });
});
