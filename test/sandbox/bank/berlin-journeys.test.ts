import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../../authorization-server/running-sandbox.ts';
import { type BankAnswer, BankTpp } from './bank-tpp.ts';

const EURO = 'acc-3001';
const IBAN = 'GB45BUKB20201555550004';
const SEPA = '/v1/payments/sepa-credit-transfers';
const CONSENT = {
  access: { balances: [{ iban: IBAN }], transactions: [{ iban: IBAN }] },
  recurringIndicator: true,
  validUntil: '2099-12-31',
  frequencyPerDay: 2,
  combinedServiceIndicator: false,
};
const PAYMENT = {
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant Berlin',
  creditorAccount: { iban: 'DE02100100109307118603' },
};

let sandbox: TestSandbox;
let tpp: BankTpp;
let client: string;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  tpp = new BankTpp(sandbox, 'money-one');
  client = tpp.tpp.organizationIdentifier;
});
afterAll(async () => {
  await tpp.close();
  await sandbox.stop();
});

const headers = () => ({ 'x-request-id': randomUUID() });
const codeOf = ({ status, json }: BankAnswer) => [status, json.tppMessages?.[0]?.code];
const allow = (scope: string, chooses?: (id: string) => boolean) =>
  tpp.customerToken(client, { username: 'chloe', chooses, parameters: { scope: `openid ${scope}` } });

/** A consent that chloe has allowed for the accounts. */
async function consented(json: object = CONSENT, chooses?: (id: string) => boolean) {
  const { consentId } = (await tpp.call('/v1/consents', { headers: headers(), json })).json;
  const token = await allow(`AIS:${consentId}`, chooses);
  const read = (path: string, more: object = { 'psu-ip-address': '192.0.2.1' }) =>
    tpp.call(path, { token, headers: { ...headers(), 'consent-id': consentId, ...more } });
  return { consentId: String(consentId), token, read };
}

describe("account information of the Berlin Group's API", () => {
  it('shows the kinds of data of the consent for the accounts that it names', async () => {
    const { consentId, read } = await consented();
    const { json } = await read('/v1/accounts');
    expect(json.accounts).toEqual([
      expect.objectContaining({
        resourceId: EURO,
        _links: { balances: expect.anything(), transactions: expect.anything() },
      }),
    ]);
    // `accounts` was not asked for: no IBAN.
    expect(json.accounts[0].iban).toBeUndefined();
    const balances = await read(`/v1/accounts/${EURO}/balances`);
    expect(balances.json.balances[0].balanceAmount).toEqual({ currency: 'EUR', amount: '2640.00' });
    const booked = await read(`/v1/accounts/${EURO}/transactions?bookingStatus=booked&dateFrom=2026-11-05`);
    expect(booked.json.transactions.booked).toHaveLength(2);
    const kept = await tpp.call(`/v1/consents/${consentId}`, { headers: headers() });
    expect(kept.json).toMatchObject({ access: CONSENT.access, consentStatus: 'valid' });
    const details = await consented({ ...CONSENT, access: { accounts: [] } });
    expect((await details.read('/v1/accounts')).json.accounts).toMatchObject([{ iban: IBAN }, {}]);
    expect(codeOf(await details.read(`/v1/accounts/${EURO}/balances`))).toEqual([401, 'CONSENT_INVALID']);
  });

  it('refuses an account that was not chosen, another consent id and an ended consent', async () => {
    const all = { ...CONSENT, access: { allPsd2: 'allAccounts' } };
    const { consentId, read } = await consented(all, (id) => id === EURO);
    expect((await read('/v1/accounts')).json.accounts).toMatchObject([{ resourceId: EURO }]);
    const refused = await Promise.all(
      ['acc-3002', 'acc-1001', 'acc-9999'].map((id) => read(`/v1/accounts/${id}/balances`)),
    );
    expect(refused.map(codeOf)).toEqual([
      [403, 'RESOURCE_UNKNOWN'],
      [403, 'RESOURCE_UNKNOWN'],
      [403, 'RESOURCE_UNKNOWN'],
    ]);
    expect(codeOf(await read('/v1/accounts', { 'consent-id': 'another' }))).toEqual([403, 'CONSENT_UNKNOWN']);
    expect(codeOf(await read(`/v1/accounts/${EURO}/transactions`))).toEqual([400, 'PARAMETER_NOT_SUPPORTED']);
    await sandbox.server.consents.revoke(consentId, { by: { kind: 'customer' } });
    expect((await read('/v1/accounts')).status).toBe(401);
    const { json } = await tpp.call(`/v1/consents/${consentId}/status`, { headers: headers() });
    expect(json).toEqual({ consentStatus: 'revokedByPsu' });
  });

  it('allows as many unattended requests a day as the customer (RTS article 36(5)(b))', async () => {
    const { read } = await consented();
    const answers = [
      await read('/v1/accounts', {}),
      await read('/v1/accounts', {}),
      await read('/v1/accounts', {}),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(codeOf(await read('/v1/accounts', {}))).toEqual([429, 'ACCESS_EXCEEDED']);
    expect((await read('/v1/accounts')).status).toBe(200);
  });
});

describe("payments of the Berlin Group's API", () => {
  it('are carried out once, as soon as the customer has authorised them', async () => {
    const { paymentId } = (await tpp.call(SEPA, { headers: headers(), json: PAYMENT })).json;
    const status = async () =>
      (await tpp.call(`${SEPA}/${paymentId}/status`, { headers: headers() })).json.transactionStatus;
    expect(await status()).toBe('RCVD');
    await allow(`PIS:${paymentId}`, (id) => id === EURO);
    expect([await status(), await status()]).toEqual(['ACSC', 'ACSC']);
    expect((await sandbox.server.consents.find(paymentId))?.status).toBe('consumed');
    const { read } = await consented();
    const { json } = await read(`/v1/accounts/${EURO}/balances`);
    expect(json.balances[0].balanceAmount.amount).toBe('2516.50');
  });

  it('of another TPP, of another service and of a used consent are refused at the push (K1)', async () => {
    const { paymentId } = (await tpp.call(SEPA, { headers: headers(), json: PAYMENT })).json;
    const two = new BankTpp(sandbox, 'money-two');
    const ask = (by: BankTpp, scope: string) =>
      by.customerToken(by.tpp.organizationIdentifier, {
        username: 'chloe',
        parameters: { scope: `openid ${scope}` },
      });
    await expect(ask(two, `PIS:${paymentId}`)).rejects.toMatchObject({
      error_description: expect.stringContaining('ERR_CONSENT_UNKNOWN'),
    });
    await expect(ask(tpp, `AIS:${paymentId}`)).rejects.toMatchObject({
      error_description: expect.stringContaining('ERR_CONSENT_REFERENCE'),
    });
    await allow(`PIS:${paymentId}`, (id) => id === EURO);
    await tpp.call(`${SEPA}/${paymentId}/status`, { headers: headers() });
    await expect(allow(`PIS:${paymentId}`)).rejects.toMatchObject({
      error_description: expect.stringContaining('ERR_CONSENT_STATUS'),
    });
    await two.close();
  });
});
