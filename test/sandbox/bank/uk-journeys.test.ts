import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../../authorization-server/running-sandbox.ts';
import { type BankAnswer, BankTpp, idempotencyKey } from './bank-tpp.ts';

const AISP = '/open-banking/v4.0/aisp';
const PISP = '/open-banking/v4.0/pisp';
const CBPII = '/open-banking/v4.0/cbpii';
const CLIENT = 'jwt-uk';
const INITIATION = {
  InstructionIdentification: 'order-4711',
  InstructedAmount: { Amount: '165.88', Currency: 'GBP' },
  CreditorAccount: {
    SchemeName: 'UK.OBIE.IBAN',
    Identification: 'GB72BUKB20201555550003',
    Name: 'Bob Example',
  },
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

const codeOf = ({ status, json }: BankAnswer) => [status, json.Errors?.[0]?.ErrorCode];

/** Stages a consent, has a customer authorise it, and returns its token. */
async function authorised(path: string, scope: string, json: object, chooses?: (id: string) => boolean) {
  const own = await tpp.ownToken(CLIENT, scope);
  const staged = await tpp.call(path, { token: own, json, headers: idempotencyKey() });
  const id: string = staged.json.Data.ConsentId;
  const token = await tpp.customerToken(CLIENT, {
    form: 'signed',
    chooses,
    parameters: {
      scope: `openid ${scope}`,
      claims: JSON.stringify({ id_token: { openbanking_intent_id: { value: id, essential: true } } }),
    },
  });
  return { id, own, token, read: async () => (await tpp.call(`${path}/${id}`, { token: own })).json.Data };
}

const access = (permissions: readonly string[]) =>
  authorised(
    `${AISP}/account-access-consents`,
    'accounts',
    { Data: { Permissions: permissions }, Risk: {} },
    (id) => id === 'acc-1001',
  );
const payment = (initiation: object = INITIATION) =>
  authorised(
    `${PISP}/domestic-payment-consents`,
    'payments',
    { Data: { Initiation: initiation }, Risk: {} },
    (id) => id === 'acc-1001',
  );
const pay = (
  { id, token }: { readonly id: string; readonly token: string },
  change: object = {},
  headers = idempotencyKey(),
) =>
  tpp.call(`${PISP}/domestic-payments`, {
    token,
    headers,
    json: { Data: { ConsentId: id, Initiation: { ...INITIATION, ...change } }, Risk: {} },
  });

describe('account information of the UK API', () => {
  it('shows the chosen account, and the data that the customer allowed', async () => {
    const { token, id, read } = await access(['ReadAccountsBasic', 'ReadBalances']);
    expect(await read()).toMatchObject({ ConsentId: id, Status: 'AUTH' });
    const { json } = await tpp.call(`${AISP}/accounts`, { token });
    expect(json.Data.Account).toEqual([
      expect.objectContaining({ AccountId: 'acc-1001', Currency: 'GBP', Nickname: 'Current account' }),
    ]);
    expect(json.Data.Account[0].Account).toBeUndefined();
    const balances = await tpp.call(`${AISP}/accounts/acc-1001/balances`, { token });
    expect(balances.json.Data.Balance[0].Amount).toEqual({ Amount: '1830.25', Currency: 'GBP' });
  });

  it('refuses data and accounts to which the customer has not consented (PSD2 article 67(2)(d))', async () => {
    const { token } = await access([
      'ReadAccountsDetail',
      'ReadTransactionsBasic',
      'ReadTransactionsCredits',
    ]);
    const { json } = await tpp.call(`${AISP}/accounts`, { token });
    expect(json.Data.Account[0].Account[0].Identification).toBe('GB29BUKB20201555550001');
    const calls = ['/balances', '/accounts/acc-1001/balances', '/accounts/acc-1002', '/accounts/acc-9999'];
    const refused = await Promise.all(calls.map((path) => tpp.call(`${AISP}${path}`, { token })));
    expect(refused.map(codeOf)).toEqual([
      [403, 'ERR_CONSENT_PERMISSION'],
      [403, 'ERR_CONSENT_PERMISSION'],
      [403, 'ERR_CONSENT_ACCOUNT'],
      [403, 'ERR_CONSENT_ACCOUNT'],
    ]);
    const { json: seen } = await tpp.call(`${AISP}/transactions`, { token });
    expect(seen.Data.Transaction).toMatchObject([{ CreditDebitIndicator: 'Credit' }]);
    expect(seen.Data.Transaction[0].TransactionInformation).toBeUndefined();
  });

  it('ends with its consent, whichever side ends it (K16)', async () => {
    const { token, own, id } = await access(['ReadAccountsBasic']);
    const path = `${AISP}/account-access-consents/${id}`;
    expect((await tpp.call(path, { token: own, method: 'DELETE' })).status).toBe(204);
    expect(codeOf(await tpp.call(`${AISP}/accounts`, { token }))).toEqual([401, 'ERR_TOKEN_REVOKED']);
    const other = await access(['ReadAccountsBasic']);
    await sandbox.server.consents.revoke(other.id);
    expect((await tpp.call(`${AISP}/accounts`, { token: other.token })).status).toBe(401);
    expect((await other.read()).Status).toBe('CANC');
  });
});

describe('payments of the UK API', () => {
  it('move money once, as the customer approved them, and end the consent', async () => {
    const consent = await payment();
    const available = await tpp.call(`${PISP}/domestic-payment-consents/${consent.id}/funds-confirmation`, {
      token: consent.token,
    });
    expect(available.json.Data.FundsAvailableResult.FundsAvailable).toBe(true);
    const headers = idempotencyKey();
    const [first, second] = await Promise.all([pay(consent, {}, headers), pay(consent, {}, headers)]);
    expect(first).toMatchObject({ status: 201, json: { Data: { Status: 'ACSC', ConsentId: consent.id } } });
    expect(second.json).toEqual(first.json);
    const { token } = await access(['ReadAccountsBasic', 'ReadBalances']);
    const { json } = await tpp.call(`${AISP}/accounts/acc-1001/balances`, { token });
    expect(json.Data.Balance[0].Amount.Amount).toBe('1664.37');
    expect((await consent.read()).Status).toBe('COND');
    // The token of the customer has ended with the payment; the TPP repeats the request with its own.
    expect((await pay(consent)).status).toBe(401);
    expect((await pay({ id: consent.id, token: consent.own }, {}, headers)).json).toEqual(first.json);
    expect(codeOf(await pay({ id: consent.id, token: consent.own }))).toEqual([403, 'U008']);
    const kept = await tpp.call(`${PISP}/domestic-payments/${first.json.Data.DomesticPaymentId}`, {
      token: consent.own,
    });
    expect(kept.json).toEqual(first.json);
  });

  it.each([
    [
      'a cent more',
      { InstructedAmount: { Amount: '165.89', Currency: 'GBP' } },
      'Data.Initiation.InstructedAmount',
    ],
    [
      'another payee',
      { CreditorAccount: { ...INITIATION.CreditorAccount, Name: 'Rob Example' } },
      'Data.Initiation.CreditorAccount',
    ],
    [
      'another account of the payee',
      { CreditorAccount: { ...INITIATION.CreditorAccount, Identification: 'GB33BUKB20201555555555' } },
      'Data.Initiation.CreditorAccount',
    ],
    [
      'a reference besides',
      { RemittanceInformation: { Unstructured: ['more'] } },
      'Data.Initiation.RemittanceInformation',
    ],
  ])('refuse %s than the customer approved (K3)', async (_title, change, path) => {
    const consent = await payment();
    const refused = await pay(consent, change);
    expect([...codeOf(refused), refused.json.Errors[0].Path]).toEqual([400, 'U008', path]);
    expect((await consent.read()).Status).toBe('AUTH');
  });

  it('refuse the token of another consent, and are rejected when the money is not there', async () => {
    const [one, two] = [
      await payment(),
      await payment({ ...INITIATION, InstructedAmount: { Amount: '9000.00', Currency: 'GBP' } }),
    ];
    expect(codeOf(await pay({ id: two.id, token: one.token }))).toEqual([400, 'U008']);
    const rejected = await pay(two, { InstructedAmount: { Amount: '9000.00', Currency: 'GBP' } });
    expect(rejected).toMatchObject({ status: 201, json: { Data: { Status: 'RJCT' } } });
  });
});

describe('confirmation of funds of the UK API', () => {
  it('answers yes or no for the account of the customer', async () => {
    const DebtorAccount = {
      SchemeName: 'UK.OBIE.SortCodeAccountNumber',
      Identification: '20201555550001',
      Name: 'Alice Example',
    };
    const consent = await authorised(`${CBPII}/funds-confirmation-consents`, 'fundsconfirmations', {
      Data: { DebtorAccount },
    });
    const ask = (Amount: string) =>
      tpp.call(`${CBPII}/funds-confirmations`, {
        token: consent.token,
        json: {
          Data: { ConsentId: consent.id, Reference: 'card 1', InstructedAmount: { Amount, Currency: 'GBP' } },
        },
      });
    expect((await ask('10.00')).json.Data).toMatchObject({ FundsAvailable: true, ConsentId: consent.id });
    expect((await ask('100000.00')).json.Data.FundsAvailable).toBe(false);
    expect(JSON.stringify((await ask('10.00')).json)).not.toContain('1830');
  });
});
