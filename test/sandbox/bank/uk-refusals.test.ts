import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../../authorization-server/running-sandbox.ts';
import { BankTpp, idempotencyKey } from './bank-tpp.ts';

const AISP = '/open-banking/v4.0/aisp';
const PISP = '/open-banking/v4.0/pisp';
const CBPII = '/open-banking/v4.0/cbpii';
const ACCESS = {
  Data: { Permissions: ['ReadAccountsDetail', 'ReadBalances'], ExpirationDateTime: '2099-01-01T00:00:00Z' },
  Risk: {},
};
const INITIATION = {
  InstructionIdentification: 'order-4711',
  EndToEndIdentification: 'order-4711',
  InstructedAmount: { Amount: '165.88', Currency: 'GBP' },
  CreditorAccount: {
    SchemeName: 'UK.OBIE.IBAN',
    Identification: 'GB33BUKB20201555555555',
    Name: 'Corner Shop',
  },
  RemittanceInformation: { Unstructured: ['Order 4711'] },
};
const PAYMENT = {
  Data: { Initiation: INITIATION },
  Risk: { PaymentContextCode: 'EcommerceMerchantInitiatedPayment' },
};

let sandbox: TestSandbox;
let one: BankTpp;
let two: BankTpp;
let accounts: string;
let payments: string;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  [one, two] = [new BankTpp(sandbox, 'money-one'), new BankTpp(sandbox, 'money-two')];
  [accounts, payments] = await Promise.all([
    one.ownToken(undefined, 'accounts'),
    one.ownToken(undefined, 'payments'),
  ]);
});
afterAll(async () => {
  await Promise.all([one.close(), two.close()]);
  await sandbox.stop();
});

const errorOf = ({ json }: Awaited<ReturnType<BankTpp['call']>>) => {
  const [{ ErrorCode, Path } = { ErrorCode: undefined, Path: undefined }] = json.Errors ?? [];
  return [ErrorCode, Path];
};
const withData = (change: object) => ({ ...ACCESS, Data: { ...ACCESS.Data, ...change } });
const withInitiation = (change: object) => ({
  ...PAYMENT,
  Data: { Initiation: { ...INITIATION, ...change } },
});

describe('consents of the UK API', () => {
  it('are staged with the status AWAU, read again, and ended with the status CANC', async () => {
    const staged = await one.call(`${AISP}/account-access-consents`, { token: accounts, json: ACCESS });
    expect(staged).toMatchObject({
      status: 201,
      json: { Data: { Status: 'AWAU', ...ACCESS.Data }, Risk: {} },
    });
    const path = `${AISP}/account-access-consents/${staged.json.Data.ConsentId}`;
    expect(staged.json.Links.Self).toBe(`${sandbox.description.resourceUrl}${path}`);
    expect((await one.call(path, { token: accounts })).json).toEqual(staged.json);
    expect((await one.call(path, { token: accounts, method: 'DELETE' })).status).toBe(204);
    expect((await one.call(path, { token: accounts })).json.Data.Status).toBe('CANC');
  });

  it('of another TPP are unknown to a TPP, as those that there are not (K1)', async () => {
    const staged = await one.call(`${AISP}/account-access-consents`, { token: accounts, json: ACCESS });
    const token = await two.ownToken(undefined, 'accounts');
    const refusals = await Promise.all(
      [staged.json.Data.ConsentId, 'no-such-consent'].map(async (id) => {
        const { status, json } = await two.call(`${AISP}/account-access-consents/${id}`, { token });
        return { status, ...json, Id: undefined };
      }),
    );
    expect(refusals[0]).toEqual(refusals[1]);
    expect(refusals[0]).toMatchObject({ status: 400, Errors: [{ ErrorCode: 'U011' }] });
  });

  it('of a payment are staged once for an idempotency key', async () => {
    const stage = (headers: object, json: object = PAYMENT) =>
      one.call(`${PISP}/domestic-payment-consents`, { token: payments, json, headers: { ...headers } });
    const headers = idempotencyKey();
    const [first, second] = await Promise.all([stage(headers), stage(headers)]);
    expect(first).toMatchObject({ status: 201, json: { Data: { Status: 'AWAU', Initiation: INITIATION } } });
    expect(second.json).toEqual(first.json);
    expect((await stage(idempotencyKey())).json.Data.ConsentId).not.toBe(first.json.Data.ConsentId);
    const other = withInitiation({ InstructedAmount: { Amount: '165.89', Currency: 'GBP' } });
    expect(errorOf(await stage(headers, other))).toEqual(['U006', 'x-idempotency-key']);
    expect(errorOf(await stage({}))).toEqual(['U007', 'x-idempotency-key']);
  });

  it.each([
    ['an unknown member', { ...ACCESS, More: 1 }, 'U005', 'More'],
    ['no permissions', withData({ Permissions: undefined }), 'U004', 'Data.Permissions'],
    ['an unknown permission', withData({ Permissions: ['ReadAll'] }), 'U002', 'Data.Permissions.0'],
    ['balances without accounts', withData({ Permissions: ['ReadBalances'] }), 'U002', 'Data.Permissions'],
    [
      'transactions without a direction',
      withData({ Permissions: ['ReadAccountsBasic', 'ReadTransactionsBasic'] }),
      'U002',
      'Data.Permissions',
    ],
    [
      'an end in the past',
      withData({ ExpirationDateTime: '2020-01-01T00:00:00Z' }),
      'U003',
      'Data.ExpirationDateTime',
    ],
    ['a list', [], 'U010', undefined],
  ])('are refused with %s', async (_title, json, code, path) => {
    const answer = await one.call(`${AISP}/account-access-consents`, { token: accounts, json });
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toEqual([code, path]);
  });

  it.each([
    ['an amount of three decimals', { InstructedAmount: { Amount: '1.005', Currency: 'GBP' } }, 'U002'],
    ['no amount above zero', { InstructedAmount: { Amount: '0.00', Currency: 'GBP' } }, 'U002'],
    ['euro', { InstructedAmount: { Amount: '1.00', Currency: 'EUR' } }, 'U023'],
    [
      'an IBAN with wrong check digits',
      { CreditorAccount: { ...INITIATION.CreditorAccount, Identification: 'GB33BUKB20201555555556' } },
      'U002',
    ],
    ['no payee', { CreditorAccount: { ...INITIATION.CreditorAccount, Name: undefined } }, 'U004'],
    [
      'a name with characters that nothing shows',
      { CreditorAccount: { ...INITIATION.CreditorAccount, Name: 'A\u202eB' } },
      'U002',
    ],
  ])('of a payment are refused with %s', async (_title, change, code) => {
    const json = withInitiation(change);
    const headers = idempotencyKey();
    const answer = await one.call(`${PISP}/domestic-payment-consents`, { token: payments, json, headers });
    expect([answer.status, errorOf(answer)[0]]).toEqual([400, code]);
  });
});

describe('the UK API refuses', () => {
  it.each([
    ['no token', undefined, `${AISP}/accounts`, 401, 'ERR_TOKEN_MISSING'],
    ['a token of the TPP alone for accounts', 'accounts', `${AISP}/accounts`, 403, 'ERR_CONSENT_ABSENT'],
    ['the scope of another service', 'payments', `${AISP}/account-access-consents/x`, 403, 'ERR_TOKEN_SCOPE'],
    ['an address that there is not', 'accounts', `${AISP}/beneficiaries`, 404, 'U011'],
    ['an unknown payment', 'payments', `${PISP}/domestic-payments/x`, 400, 'U011'],
  ])('%s', async (_title, scope, path, status, code) => {
    const token = scope === undefined ? undefined : scope === 'accounts' ? accounts : payments;
    const answer = await one.call(path, { token });
    expect([answer.status, errorOf(answer)[0]]).toEqual([status, code]);
    expect(answer.json.Code).toMatch(new RegExp(`^${status} `));
  });

  it('a body that is not JSON, too large or of another type', async () => {
    const url = `${sandbox.description.resourceUrl}${AISP}/account-access-consents`;
    const send = (body: string, type = 'application/json') =>
      sandbox.send(url, {
        certificate: one.tpp,
        method: 'POST',
        headers: { authorization: `Bearer ${accounts}`, 'content-type': type },
        body,
      });
    expect((await send('{')).status).toBe(400);
    expect((await send(JSON.stringify({ more: 'x'.repeat(20_000) }))).status).toBe(413);
    expect((await send('a=b', 'application/x-www-form-urlencoded')).status).toBe(415);
  });

  it("another TPP's token from this TPP's certificate (A1)", async () => {
    const token = await two.ownToken(undefined, 'accounts');
    const answer = await one.call(`${AISP}/account-access-consents`, { token, json: ACCESS });
    expect([answer.status, errorOf(answer)[0]]).toEqual([401, 'ERR_TOKEN_BINDING']);
  });

  it('a consent for confirmation of funds whose account has no owner', async () => {
    const token = await one.ownToken(undefined, 'fundsconfirmations');
    const account = { SchemeName: 'UK.OBIE.IBAN', Identification: 'GB29BUKB20201555550001' };
    const stage = (DebtorAccount: object) =>
      one.call(`${CBPII}/funds-confirmation-consents`, { token, json: { Data: { DebtorAccount } } });
    expect(errorOf(await stage(account))).toEqual(['U004', 'Data.DebtorAccount.Name']);
    const staged = await stage({ ...account, Name: 'Alice Example' });
    expect(staged).toMatchObject({ status: 201, json: { Data: { Status: 'AWAU', DebtorAccount: account } } });
  });
});
