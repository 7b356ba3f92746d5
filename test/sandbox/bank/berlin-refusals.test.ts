import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestSandbox, type TestSandbox } from '../../authorization-server/running-sandbox.ts';
import { BankTpp } from './bank-tpp.ts';

const CONSENT = {
  access: { balances: [{ iban: 'GB45BUKB20201555550004' }] },
  recurringIndicator: true,
  validUntil: '2099-12-31',
  frequencyPerDay: 4,
  combinedServiceIndicator: false,
};
const PAYMENT = {
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant Berlin',
  creditorAccount: { iban: 'DE02100100109307118603' },
  remittanceInformationUnstructured: 'Invoice 4711',
};
const SEPA = '/v1/payments/sepa-credit-transfers';

let sandbox: TestSandbox;
let one: BankTpp;
let two: BankTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox();
  [one, two] = [new BankTpp(sandbox, 'money-one'), new BankTpp(sandbox, 'money-two')];
});
afterAll(() => sandbox.stop());

const headers = () => ({ 'x-request-id': randomUUID() });
const codeOf = ({ status, json }: Awaited<ReturnType<BankTpp['call']>>) => [
  status,
  json.tppMessages?.[0]?.code,
];

describe("consents of the Berlin Group's API", () => {
  it('are made with the certificate alone, and lead to the authorization server', async () => {
    const id = headers();
    const made = await one.call('/v1/consents', { headers: id, json: CONSENT });
    expect(made).toMatchObject({ status: 201, json: { consentStatus: 'received' } });
    expect(made.headers.get('x-request-id')).toBe(id['x-request-id']);
    expect(made.headers.get('aspsp-sca-approach')).toBe('REDIRECT');
    const { issuer } = sandbox.description;
    const { scaOAuth, self, status } = made.json._links;
    expect(scaOAuth.href).toBe(`${issuer}/.well-known/oauth-authorization-server`);
    expect((await sandbox.send(scaOAuth.href)).json).toMatchObject({ issuer });
    expect(made.headers.get('location')).toBe(self.href);
    const { combinedServiceIndicator, ...kept } = CONSENT;
    expect((await one.call(self.href, { headers: headers() })).json).toEqual({
      ...kept,
      consentStatus: 'received',
    });
    expect((await one.call(self.href, { headers: headers(), method: 'DELETE' })).status).toBe(204);
    expect((await one.call(status.href, { headers: headers() })).json).toEqual({
      consentStatus: 'terminatedByTpp',
    });
  });

  it('of another TPP are unknown to a TPP, as those that there are not (K1)', async () => {
    const { json } = await one.call('/v1/consents', { headers: headers(), json: CONSENT });
    const answers = await Promise.all(
      [json.consentId, 'no-such-consent'].map((id) => two.call(`/v1/consents/${id}`, { headers: headers() })),
    );
    expect(answers.map(codeOf)).toEqual([
      [403, 'CONSENT_UNKNOWN'],
      [403, 'CONSENT_UNKNOWN'],
    ]);
    expect(answers[0]?.json).toEqual(answers[1]?.json);
  });

  it.each([
    ['no request id', CONSENT, {}, 400, 'FORMAT_ERROR'],
    ['a request id that is no UUID', CONSENT, { 'x-request-id': '4711' }, 400, 'FORMAT_ERROR'],
    ['an unknown member', { ...CONSENT, more: 1 }, undefined, 400, 'FORMAT_ERROR'],
    ['no kind of data', { ...CONSENT, access: {} }, undefined, 400, 'FORMAT_ERROR'],
    [
      'all accounts and some',
      { ...CONSENT, access: { accounts: [], allPsd2: 'allAccounts' } },
      undefined,
      400,
      'FORMAT_ERROR',
    ],
    [
      'other accounts for each kind of data',
      { ...CONSENT, access: { accounts: [], balances: [{ iban: 'GB45BUKB20201555550004' }] } },
      undefined,
      400,
      'PARAMETER_NOT_SUPPORTED',
    ],
    ['an end in the past', { ...CONSENT, validUntil: '2020-01-01' }, undefined, 400, 'PERIOD_INVALID'],
    ['a session', { ...CONSENT, combinedServiceIndicator: true }, undefined, 400, 'SESSIONS_NOT_SUPPORTED'],
    [
      'an account whose IBAN has wrong check digits',
      { ...CONSENT, access: { accounts: [{ iban: 'GB46BUKB20201555550004' }] } },
      undefined,
      400,
      'FORMAT_ERROR',
    ],
    [
      'several requests a day that do not recur',
      { ...CONSENT, recurringIndicator: false },
      undefined,
      400,
      'FORMAT_ERROR',
    ],
  ])('are refused with %s', async (_title, json, sent, status, code) => {
    expect(codeOf(await one.call('/v1/consents', { headers: sent ?? headers(), json }))).toEqual([
      status,
      code,
    ]);
  });
});

describe("payments of the Berlin Group's API", () => {
  it('wait for the customer, and can be cancelled by their TPP until then', async () => {
    const made = await one.call(SEPA, { headers: headers(), json: PAYMENT });
    expect(made).toMatchObject({ status: 201, json: { transactionStatus: 'RCVD' } });
    const { self, status, scaOAuth } = made.json._links;
    expect(scaOAuth.href).toContain('/.well-known/');
    expect((await one.call(self.href, { headers: headers() })).json).toEqual({
      ...PAYMENT,
      transactionStatus: 'RCVD',
    });
    expect(codeOf(await two.call(status.href, { headers: headers() }))).toEqual([404, 'RESOURCE_UNKNOWN']);
    expect((await one.call(self.href, { headers: headers(), method: 'DELETE' })).status).toBe(204);
    expect((await one.call(status.href, { headers: headers() })).json).toEqual({ transactionStatus: 'CANC' });
    expect(codeOf(await one.call(self.href, { headers: headers(), method: 'DELETE' }))).toEqual([
      409,
      'STATUS_INVALID',
    ]);
  });

  it.each([
    ['in pounds', { instructedAmount: { currency: 'GBP', amount: '1.00' } }, SEPA, 400, 'FORMAT_ERROR'],
    ['of nothing', { instructedAmount: { currency: 'EUR', amount: '0' } }, SEPA, 400, 'FORMAT_ERROR'],
    ['to nobody', { creditorName: undefined }, SEPA, 400, 'FORMAT_ERROR'],
    ['of an unknown product', {}, '/v1/payments/target-2-payments', 404, 'PRODUCT_UNKNOWN'],
  ])('are refused: %s', async (_title, change, path, status, code) => {
    const json = { ...PAYMENT, ...change };
    expect(codeOf(await one.call(path, { headers: headers(), json }))).toEqual([status, code]);
  });
});

describe("the Berlin Group's API refuses", () => {
  it('a TPP without the role, one that was withdrawn, and a caller without a certificate', async () => {
    const of = (name: string) => new BankTpp(sandbox, name);
    const pay = (tpp: BankTpp) => tpp.call(SEPA, { headers: headers(), json: PAYMENT });
    expect(codeOf(await pay(of('accounts-app')))).toEqual([403, 'ROLE_INVALID']);
    expect(codeOf(await pay(of('gone-fintech')))).toEqual([401, 'CERTIFICATE_BLOCKED']);
    const nobody = await sandbox.send(`${sandbox.description.resourceUrl}${SEPA}`, {
      method: 'POST',
      headers: { ...headers(), 'content-type': 'application/json' },
      body: JSON.stringify(PAYMENT),
    });
    expect(nobody).toMatchObject({ status: 401, json: { tppMessages: [{ code: 'CERTIFICATE_MISSING' }] } });
  });

  it.each(['/v1/accounts', '/v1/accounts/acc-3001/balances'])('%s without a token', async (path) => {
    const answer = await one.call(path, { headers: { ...headers(), 'consent-id': 'x' } });
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      expect.stringContaining('Bearer'),
    ]);
  });

  it('a token of the TPP alone', async () => {
    const token = await one.ownToken(undefined, 'accounts');
    const answer = await one.call('/v1/accounts', { token, headers: { ...headers(), 'consent-id': 'x' } });
    expect(codeOf(answer)).toEqual([403, 'CONSENT_UNKNOWN']);
    expect(codeOf(await one.call('/v1/accounts', { token, headers: headers() }))).toEqual([
      400,
      'FORMAT_ERROR',
    ]);
    await one.close();
  });
});
