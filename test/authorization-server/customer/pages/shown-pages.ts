import type { Context } from 'koa';
import { PASSWORD_STEP } from '../../../../src/authorization-server/customer/authentication/bank-steps.ts';
import { CUSTOMER_CLAIM_NAMES } from '../../../../src/authorization-server/customer/claims/customer-claims.ts';
import type { Pages } from '../../../../src/authorization-server/customer/pages/pages.ts';

export const LONG = `${'Zahlungsdienstleistungsgesellschaft'.repeat(3)} & Söhne`;
const SCOPES = ['openid', 'accounts', 'payments', 'fundsconfirmations', 'offline_access'];

const tpp = {
  name: 'Merchant Finder',
  agent: 'Shop of Ann',
  purpose: 'Overview of all your accounts',
  legalName: 'Merchant Finder Payments Ltd',
  authorizationNumber: 'PSDGB-FCA-900003',
  nca: 'Financial Conduct Authority',
};
const longTpp = { name: LONG, legalName: LONG, authorizationNumber: 'PSDDE-BAFIN-1234567890', nca: LONG };
const accounts = ['Current account', 'Savings account', 'Joint household account'].map((name, at) => ({
  accountId: `${at}`,
  name,
  identification: `•••• 432${at}`,
}));
const longAccounts = [{ accountId: 'x', name: LONG, identification: '•••• 4321' }, ...accounts];
const back = { url: 'https://bank.example/authorize/x' };
const step = { tpp, csrf: 'x', number: 0, details: [] } as const;
const login = { ...step, step: PASSWORD_STEP, typed: {} } as const;
const until = new Date('2027-01-01T00:00:00Z');
const service = 'Merchant Finder';
const content = {
  reference: 'scope',
  details: [],
  scopes: [],
  claims: { idToken: [], userinfo: [] },
  contentHash: '',
  isNamed: false,
  expiresAt: '',
} as const;
const allowed = {
  answer: 'allowed',
  service,
  grantId: '',
  accountIds: [],
  asked: content,
  until: until.toISOString(),
} as const;
const ended = { answer: 'ended', service, error: 'access_denied', description: '' } as const;
const rule = 'request_uri is invalid, expired, or was already used';
const iban = 'DE02100100109307118603';

export const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '1234.50' },
  creditorName: 'Garden & Sons GmbH',
  creditorAccount: { iban },
  remittanceInformationUnstructured: 'Invoice 2026-4711',
  requestedExecutionDate: '2026-12-24',
};
const { requestedExecutionDate: _, ...WITHOUT_DATE } = PAYMENT;
const STANDING_ORDER = {
  ...WITHOUT_DATE,
  kind: 'standing-order',
  frequency: { interval: 'monthly', firstDate: '2027-01-01', lastDate: '2027-12-01' },
};
const WITHIN_LIMITS = {
  type: 'payment_initiation',
  kind: 'variable-recurring',
  creditorName: 'Energy for All',
  creditorAccount: { scheme: 'UK.OBIE.SortCodeAccountNumber', identification: '11280001234567' },
  limits: {
    maximumIndividualAmount: { currency: 'GBP', amount: '100.00' },
    periodic: [{ period: 'month', amount: { currency: 'GBP', amount: '250.00' } }],
    validTo: '2027-11-29',
  },
};
export const ACCOUNT_ACCESS = {
  type: 'account_information',
  actions: [
    'list_accounts',
    'read_account_details',
    'read_balances',
    'read_transactions',
    'read_standing_orders',
  ],
  transactionsFrom: '2026-01-01',
  transactionsTo: '2026-12-31',
  frequencyPerDay: 4,
  purpose: 'Budget',
};
const asked = { details: [ACCOUNT_ACCESS], scopes: ['openid', 'accounts'], claims: [] };
const consent = { tpp, csrf: 'x', asked, accounts: { choice: 'many', offered: accounts }, until } as const;
const paid = (details: readonly { readonly type: string }[]) =>
  ({ ...consent, asked: { details, scopes: ['payments'], claims: [] } }) as const;
const factor = (challenge: Parameters<Pages['factor']>[1]['challenge']) =>
  ({ ...step, details: [PAYMENT], challenge, others: ['app', 'code', 'totp'] }) as const;
const passkey = { challenge: 'AAAA', rpId: 'bank.example', allowCredentials: [] };

/** Every page that a customer can see, by the name of its state. */
export const SHOWN_PAGES: Readonly<Record<string, (pages: Pages, ctx: Context) => void>> = {
  login: (pages, ctx) =>
    pages.login(ctx, { ...login, typed: { username: 'ann' }, problem: { sentence: 'problem.password' } }),
  'login for a payment': (pages, ctx) => pages.login(ctx, { ...login, details: [PAYMENT] }),
  'login by an application': (pages, ctx) =>
    pages.login(ctx, {
      ...login,
      tpp: longTpp,
      step: { type: 'redirect', url: 'https://app.bank.example/' },
    }),
  passkey: (pages, ctx) => pages.factor(ctx, factor({ factor: 'passkey', options: JSON.stringify(passkey) })),
  app: (pages, ctx) => pages.factor(ctx, factor({ factor: 'app', device: 'Phone of Ann', comparison: '42' })),
  code: (pages, ctx) =>
    pages.factor(ctx, {
      ...factor({ factor: 'code', address: '•••• 42', reference: 'K7Q2' }),
      problem: 'wrong',
    }),
  totp: (pages, ctx) => pages.factor(ctx, factor({ factor: 'totp', digits: 6 })),
  consent: (pages, ctx) => pages.consent(ctx, consent),
  'consent without a choice': (pages, ctx) =>
    pages.consent(ctx, {
      ...consent,
      tpp: longTpp,
      asked: { details: [], scopes: SCOPES, claims: CUSTOMER_CLAIM_NAMES },
      accounts: { choice: 'many', offered: longAccounts },
      problem: { sentence: 'problem.no-account' },
    }),
  'renewed consent': (pages, ctx) =>
    pages.consent(ctx, {
      ...consent,
      isRenewal: true,
      accounts: { choice: 'many', offered: accounts.slice(1) },
    }),
  payment: (pages, ctx) =>
    pages.consent(ctx, { ...paid([PAYMENT]), accounts: { choice: 'one', offered: accounts } }),
  'standing order': (pages, ctx) => pages.consent(ctx, paid([STANDING_ORDER])),
  'payments within limits': (pages, ctx) => pages.consent(ctx, paid([WITHIN_LIMITS])),
  funds: (pages, ctx) =>
    pages.consent(ctx, {
      ...consent,
      asked: { details: [{ type: 'funds_confirmation', account: { iban } }], scopes: [], claims: [] },
      accounts: undefined,
    }),
  'one moment': (pages, ctx) => pages.onward(ctx, back.url),
  stopped: (pages, ctx) => pages.stopped(ctx, { reason: 'attempts', status: 403, service: LONG, back }),
  'too late': (pages, ctx) => pages.stopped(ctx, { reason: 'inactive', status: 403, service, back }),
  unavailable: (pages, ctx) =>
    pages.stopped(ctx, { reason: 'unavailable', status: 503, service, back: { csrf: 'x', path: '/' } }),
  'allowed before': (pages, ctx) => pages.decided(ctx, allowed),
  'paid before': (pages, ctx) =>
    pages.decided(ctx, { ...allowed, asked: { ...content, details: [PAYMENT] } }),
  'cancelled before': (pages, ctx) => pages.decided(ctx, ended),
  'a bad link': (pages, ctx) => pages.error(ctx, { status: 400, rule }),
  'our fault': (pages, ctx) => pages.error(ctx, { status: 500, rule: undefined }),
};

/** The HTML of a page, with its stylesheet, for a browser without a server. */
export function htmlOf(name: string, pages: Pages, language: string): string {
  const ctx = {
    set() {},
    get: (field: string) => (field === 'accept-language' ? language : ''),
    query: {},
    body: '',
    method: 'GET',
    path: '/authorize',
    url: '/authorize?x=1&y=2',
    state: { requestId: '6f1c2a3b-0000-4000-8000-1234567890ab' },
  };
  SHOWN_PAGES[name]?.(pages, ctx as unknown as Context);
  return ctx.body
    .replace(/<link rel="stylesheet"[^>]*>/, () => `<style>${pages.branding.stylesheet}</style>`)
    .replace(/<meta http-equiv="refresh"[^>]*>/, '');
}
