import { createHash, timingSafeEqual } from 'node:crypto';
import type { Aspsp } from '../../index.ts';
import { demoAuthentication } from './demo-authentication.ts';
import { PhoneMessages } from './phone/phone-messages.ts';

/** `GBkkBBBB`: sort code and account number come after it. */
const BEFORE_SORT_CODE = 8;
const BOOKINGS = [
  ['2026-11-02', '-42.10', 'Corner Grocery'],
  ['2026-11-09', '-12.00', 'City Transport'],
  ['2026-11-20', '2150.00', 'Salary'],
] as const;

const transactions = (prefix: string) =>
  BOOKINGS.map(([bookingDate, amount, creditorName], index) => {
    return { transactionId: `${prefix}-${index + 1}`, bookingDate, amount, creditorName };
  });

/** The customers of the demo bank. Passwords and keys of code generators are no secrets: the sandbox prints them. */
export const DEMO_CUSTOMERS = [
  {
    psuId: 'psu-6f1c2a',
    username: 'alice',
    password: 'alice-in-the-sandbox',
    totpSecret: 'JBSWY3DPEHPK3PXPONQW4ZDCN54GC3DJ',
    phone: '+44 7700 900142',
    claims: {
      name: 'Alice Example',
      given_name: 'Alice',
      family_name: 'Example',
      email: 'alice@example.org',
      email_verified: true,
    },
    accounts: [
      {
        accountId: 'acc-1001',
        name: 'Current account',
        iban: 'GB29BUKB20201555550001',
        currency: 'GBP',
        balance: '1830.25',
        transactions: transactions('a1'),
      },
      {
        accountId: 'acc-1002',
        name: 'Savings account',
        iban: 'GB02BUKB20201555550002',
        currency: 'GBP',
        balance: '12000.00',
        transactions: [],
      },
    ],
  },
  {
    psuId: 'psu-9b40d7',
    username: 'bob',
    password: 'bob-in-the-sandbox',
    totpSecret: 'KRSXG5DJNZTSAYLMMVRWK3TFON2GCZ3F',
    phone: '+44 7700 900143',
    claims: {
      name: 'Bob Example',
      given_name: 'Bob',
      family_name: 'Example',
      email: 'bob@example.org',
      email_verified: false,
    },
    accounts: [
      {
        accountId: 'acc-2001',
        name: 'Current account',
        iban: 'GB72BUKB20201555550003',
        currency: 'GBP',
        balance: '77.70',
        transactions: transactions('b1'),
      },
    ],
  },
  {
    psuId: 'psu-2e75c8',
    username: 'chloe',
    password: 'chloe-in-the-sandbox',
    totpSecret: 'MNUGY33FFVUW4LLUNBSS243BNZSGE33Y',
    phone: '+44 7700 900144',
    claims: {
      name: 'Chloe Example',
      given_name: 'Chloe',
      family_name: 'Example',
      email: 'chloe@example.org',
      email_verified: true,
    },
    accounts: [
      {
        accountId: 'acc-3001',
        name: 'Euro account',
        iban: 'GB45BUKB20201555550004',
        currency: 'EUR',
        balance: '2640.00',
        transactions: transactions('c1'),
      },
      {
        accountId: 'acc-3002',
        name: 'Rainy day account',
        iban: 'GB18BUKB20201555550005',
        currency: 'EUR',
        balance: '810.55',
        transactions: [],
      },
    ],
  },
] as const;

export type DemoAccount = (typeof DEMO_CUSTOMERS)[number]['accounts'][number];

/** The demo bank's login and accounts, as a bank would plug them in. */
export function demoAspsp(messages: PhoneMessages = new PhoneMessages()): Aspsp {
  return {
    name: 'Demo Bank',
    answerAuthentication: async (_state, { username = '', password = '' }, { request }) => {
      const customer = findCustomer(username, password);
      return customer !== undefined
        ? // One password stands for every authentication context that a TPP asks for.
          { type: 'authenticated', psuId: customer.psuId, amr: ['pwd'], acr: request.acrValues[0] }
        : { type: 'refused', reason: 'wrong-credentials' };
    },
    findClaims: async (psuId) => DEMO_CUSTOMERS.find((one) => one.psuId === psuId)?.claims ?? {},
    listAccounts: async (psuId, _scopes, { details }) =>
      accountsOf(psuId)
        .filter((account) => details.every((detail) => isNamedIn(detail, account)))
        .map(({ accountId, name, iban }) => ({
          accountId,
          name,
          identification: `•••• ${iban.slice(-4)}`,
        })),
    strong: demoAuthentication((psuId) => DEMO_CUSTOMERS.find((one) => one.psuId === psuId), messages),
    decoupled: {
      // The application of the demo bank (phone-app.ts) asks the running server what waits.
      connect: () => {},
      findCustomer: async ({ type, value }) => {
        const found = DEMO_CUSTOMERS.find(({ username, psuId }) =>
          type === 'login_hint' ? username === value : psuId === value,
        );
        return found === undefined ? { type: 'unknown' } : { type: 'found', psuId: found.psuId };
      },
      startApproval: async () => {},
    },
  };
}

/** The customer of this name and password. */
export function findCustomer(
  username: string,
  password: string,
): (typeof DEMO_CUSTOMERS)[number] | undefined {
  const customer = DEMO_CUSTOMERS.find((one) => one.username === username);
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(password), digest(customer?.password ?? '')) ? customer : undefined;
}

/** The accounts of a customer. */
export function accountsOf(psuId: string): readonly DemoAccount[] {
  return DEMO_CUSTOMERS.find((one) => one.psuId === psuId)?.accounts ?? [];
}

/** Whether a detail is for an account: one that it names, or any. */
function isNamedIn(
  { accounts, account, debtorAccount }: Readonly<Record<string, unknown>>,
  { accountId, iban }: DemoAccount,
): boolean {
  const named = Array.isArray(accounts)
    ? accounts
    : [account ?? debtorAccount].filter((one) => one !== undefined);
  const numbers: readonly unknown[] = named.flatMap((one) =>
    typeof one === 'object' && one !== null ? Object.values(one) : [],
  );
  const own = [accountId, iban, iban.slice(BEFORE_SORT_CODE)];
  return named.length === 0 || own.some((number) => numbers.includes(number));
}
