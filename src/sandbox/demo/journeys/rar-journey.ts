import { randomUUID } from 'node:crypto';
import { tppNamed } from '../../curl-lines.ts';
import { clientNamed } from '../../sandbox-clients.ts';
import type { CustomerAnswer } from '../demo-browser.ts';
import type { DemoTpp } from '../demo-tpp.ts';
import type { Walk } from '../walk.ts';
import { allowed, ask, customer } from './bank-journey.ts';

const ACCOUNT = 'acc-2001';
const ACCESS = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'GBP', amount: '1.20' },
  creditorName: 'Corner Shop',
  creditorAccount: { iban: 'GB33BUKB20201555555555' },
};

/** The same by authorization details: the request says all, and nothing is staged (RFC 9396). */
export async function showRar(walk: Walk): Promise<void> {
  const money = tppNamed(walk.description, 'money-one');
  const tpp = await walk.connect('money-one', { client: clientNamed(money, 'mtls-rar') });
  const bob = customer(walk, 'bob', 'totp');
  const token = await allow(walk, tpp, {
    detail: ACCESS,
    answer: bob,
    title: 'bob allows to read balances (TOTP)',
  });
  await walk.succeeds(
    '… and the bank shows the balance',
    () => ask(tpp, { path: `/rar/v1/accounts/${ACCOUNT}/balances`, token }),
    ({ balances }) => JSON.stringify(balances),
  );
  await walk.isRefused('transactions, which he was not asked for', 'ERR_CONSENT_PERMISSION', () =>
    ask(tpp, { path: `/rar/v1/accounts/${ACCOUNT}/transactions`, token }),
  );
  await walk.isRefused('a payment without its payee', 'ERR_AUTHORIZATION_DETAILS', () => {
    const { creditorName, ...detail } = PAYMENT;
    return allowed(walk, tpp, { answer: bob, parameters: naming(detail) });
  });
  const ofPayment = await allow(walk, tpp, {
    detail: PAYMENT,
    answer: customer(walk, 'bob', 'app'),
    title: 'bob sees 1.20 GBP to Corner Shop on his phone, and confirms there (decoupled)',
  });
  const pay = (change: object) => {
    const request = { path: '/rar/v1/payments', json: { ...PAYMENT, ...change }, token: ofPayment };
    return ask(tpp, { ...request, headers: { 'idempotency-key': randomUUID() } });
  };
  const more = { instructedAmount: { currency: 'GBP', amount: '1.21' } };
  await walk.isRefused('the payment with one penny more', 'consent_mismatch', () => pay(more));
  await walk.isRefused('the payment to another name', 'consent_mismatch', () =>
    pay({ creditorName: 'Corner Shоp' }),
  );
  await walk.succeeds(
    'the payment as he approved it',
    () => pay({}),
    ({ status }) => String(status),
  );
  await walk.isRefused('the payment a second time: the consent is used', 'ERR_TOKEN_REVOKED', () => pay({}));
}

async function allow(
  walk: Walk,
  tpp: DemoTpp,
  request: { readonly detail: object; readonly answer: CustomerAnswer; readonly title: string },
): Promise<string | undefined> {
  const { detail, answer, title } = request;
  const flow = await walk.succeeds(
    `RAR: ${title}`,
    () => allowed(walk, tpp, { answer, parameters: naming(detail) }),
    ({ tokens }) => `token with ${JSON.stringify(tokens.authorization_details)}`,
  );
  return flow?.tokens.access_token;
}

function naming(detail: object) {
  return { scope: 'openid', authorization_details: JSON.stringify([detail]) };
}
