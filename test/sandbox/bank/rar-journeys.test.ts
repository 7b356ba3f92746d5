import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../../authorization-server/running-sandbox.ts';
import { type BankAnswer, BankTpp } from './bank-tpp.ts';

const CLIENT = 'mtls-rar';
const PAYMENT = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'GBP', amount: '12.50' },
  creditorName: 'Alice Example',
  creditorAccount: { iban: 'GB29BUKB20201555550001' },
};

let sandbox: TestSandbox;
let tpp: BankTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  tpp = new BankTpp(sandbox, 'money-one');
});
afterAll(async () => {
  await tpp.close();
  await sandbox.stop();
});

const errorOf = ({ status, json }: BankAnswer) => [status, json.error];
const allow = (detail: object, username = 'bob', chooses?: (id: string) => boolean) =>
  tpp.customerToken(CLIENT, {
    username,
    chooses,
    parameters: { scope: 'openid', authorization_details: JSON.stringify([detail]) },
  });
const pay = (token: string, json: object, key: string = randomUUID()) =>
  tpp.call('/rar/v1/payments', { token, json, headers: { 'idempotency-key': key } });

describe('the API by authorization details', () => {
  it('shows the data that the actions of the consent name, of the chosen account', async () => {
    const actions = ['list_accounts', 'read_balances'];
    const token = await allow({ type: 'account_information', actions }, 'alice', (id) => id === 'acc-1002');
    const { json } = await tpp.call('/rar/v1/accounts', { token });
    expect(json.accounts).toEqual([{ accountId: 'acc-1002', name: 'Savings account', currency: 'GBP' }]);
    const balances = await tpp.call('/rar/v1/accounts/acc-1002/balances', { token });
    expect(balances.json.balances).toEqual([{ currency: 'GBP', amount: '12000.00' }]);
    const refused = await Promise.all(
      ['acc-1002/transactions', 'acc-1001/balances', 'acc-2001/balances'].map((path) =>
        tpp.call(`/rar/v1/accounts/${path}`, { token }),
      ),
    );
    expect(
      refused.map(({ status, json: { error_description: text } }) => [status, /ERR_\w+/.exec(text)?.[0]]),
    ).toEqual([
      [403, 'ERR_CONSENT_PERMISSION'],
      [403, 'ERR_CONSENT_ACCOUNT'],
      [403, 'ERR_CONSENT_ACCOUNT'],
    ]);
  });

  it('carries out the payment that the customer approved, once', async () => {
    const token = await allow(PAYMENT);
    const key = randomUUID();
    const [first, second] = await Promise.all([pay(token, PAYMENT, key), pay(token, PAYMENT, key)]);
    expect(first).toMatchObject({ status: 201, json: { status: 'settled' } });
    expect(second.json).toEqual(first.json);
    expect(errorOf(await pay(token, PAYMENT))).toEqual([401, 'invalid_token']);
    const own = await tpp.ownToken(CLIENT, 'payments');
    expect((await tpp.call(`/rar/v1/payments/${first.json.paymentId}`, { token: own })).json).toEqual(
      first.json,
    );
    const [booking] = (await balancesOf('bob')).transactions.slice(-1);
    expect(booking).toMatchObject({ amount: '-12.50', party: 'Alice Example' });
  });

  it.each([
    ['a cent more', { instructedAmount: { currency: 'GBP', amount: '12.51' } }],
    ['one letter of the payee', { creditorName: 'Alicè Example' }],
    ['another account', { creditorAccount: { iban: 'GB02BUKB20201555550002' } }],
    ['a member more', { remittanceInformationUnstructured: 'x' }],
  ])('refuses %s than the customer approved (K3)', async (_title, change) => {
    const token = await allow(PAYMENT);
    expect(errorOf(await pay(token, { ...PAYMENT, ...change }))).toEqual([403, 'consent_mismatch']);
    expect((await pay(token, PAYMENT)).status).toBe(201);
  });

  it('refuses a payment with the token of an access to accounts, and without a key', async () => {
    const accounts = await allow({ type: 'account_information', actions: ['list_accounts'] });
    expect((await pay(accounts, PAYMENT)).status).toBe(403);
    const token = await allow(PAYMENT);
    expect(errorOf(await pay(token, PAYMENT, ''))).toEqual([400, 'invalid_request']);
    expect(errorOf(await pay(token, { ...PAYMENT, type: 'other' }))).toEqual([400, 'invalid_request']);
  });
});

async function balancesOf(username: string) {
  const token = await allow(
    { type: 'account_information', actions: ['list_accounts', 'read_transactions'] },
    username,
  );
  return (await tpp.call('/rar/v1/accounts/acc-2001/transactions', { token })).json;
}
