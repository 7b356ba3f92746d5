import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuthorizationDetail } from '../../../src/consent/details/authorization-detail.ts';
import { CONSENT_REFERENCES, type ConsentReference } from '../../../src/consent/details/consent-reference.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, refusalOf, type RequestClaims } from './ciba-tpp.ts';

const CLIENT = 'money-one-mtls-ciba-poll';
const account: AuthorizationDetail = { type: 'account_information', actions: ['list_accounts'] };
const payment: AuthorizationDetail = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'GBP', amount: '10.00' },
  creditorName: 'Merchant',
  creditorAccount: { iban: 'GB82WEST12345698765432' },
};

let sandbox: TestSandbox;
let tpp: CibaTpp;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (configuration) => {
      const { clients } = configuration as { readonly clients: readonly { readonly client_id: string }[] };
      const amended = clients.map((client) =>
        client.client_id === CLIENT ? { ...client, consent_references: CONSENT_REFERENCES } : client,
      );
      return { ...configuration, clients: amended };
    },
  });
  tpp = await CibaTpp.open(sandbox, CLIENT);
});
afterAll(async () => {
  await tpp.close();
  await sandbox.stop();
});

async function create(
  reference: ConsentReference,
  detail: AuthorizationDetail,
  clientId = CLIENT,
): Promise<string> {
  const { consentId } = await sandbox.server.consents.create({
    reference,
    clientId,
    authorizationNumber: 'PSDGB-FCA-900003',
    details: [detail],
    expiresAt: new Date(Date.now() + 86_400_000),
    by: { kind: 'tpp' },
  });
  return consentId;
}

async function approved(claims: RequestClaims) {
  const { auth_req_id: authReqId } = await tpp.ask(claims);
  const { approvals } = sandbox.server;
  const id = approvals?.idOf(authReqId) ?? '';
  const { linkHash } = (await approvals?.find(id)) ?? {};
  await approvals?.approve(id, {
    accountIds: ['acc-1001'],
    amr: ['swk'],
    ...(linkHash === undefined ? {} : { linkHash }),
  });
  return tpp.poll(authReqId);
}

const intent = (value: string) => ({
  claims: { id_token: { openbanking_intent_id: { value, essential: true } } },
});

describe('CIBA requests name what they ask for in every way', () => {
  it('by authorization details (RFC 9396)', async () => {
    const tokens = await approved({ scope: 'openid', authorization_details: [account, payment] });
    const allowed = [
      { ...account, accounts: [{ scheme: 'account-id', identification: 'acc-1001' }] },
      payment,
    ];
    expect(tokens).toMatchObject({ scope: 'openid accounts payments', authorization_details: allowed });
    expect(decodeJwt(tokens.access_token)).toMatchObject({ authorization_details: allowed });
  });

  it('and are put to the customer in the language of ui_locales, with amount and payee (RTS article 5)', async () => {
    const { auth_req_id: authReqId } = await tpp.ask({
      scope: 'openid',
      authorization_details: [payment],
      ui_locales: 'de',
    });
    const { approvals } = sandbox.server;
    const asked = await approvals?.find(approvals.idOf(authReqId));
    expect(asked?.permissions[0]).toEqual({
      title: 'Zahlung',
      text: '10,00\u00a0£ · Merchant · GB82 WEST 1234 5698 7654 32',
    });
    await approvals?.reject(approvals.idOf(authReqId));
  });

  it.each<[ConsentReference, AuthorizationDetail, (id: string) => RequestClaims]>([
    ['openbanking_intent_id', account, (id) => intent(id)],
    ['berlin-group', payment, (id) => ({ scope: `openid PIS:${id}` })],
    ['open-finance-brasil', account, (id) => ({ scope: `openid accounts consent:${id}` })],
  ])('by a consent of the bank: %s', async (reference, detail, named) => {
    const consentId = await create(reference, detail);
    const tokens = await approved(named(consentId));
    expect(decodeJwt(tokens.access_token).consent_id).toBe(consentId);
    expect(await sandbox.server.consents.find(consentId)).toMatchObject({
      status: 'authorised',
      accountIds: ['acc-1001'],
    });
    if (reference === 'openbanking_intent_id') {
      expect(decodeJwt(tokens.id_token ?? '').openbanking_intent_id).toBe(consentId);
    }
  });

  it.each<[string, () => Promise<RequestClaims>, string]>([
    [
      'K1: consents of others',
      async () => ({ scope: `openid AIS:${await create('berlin-group', account, 'money-two-mtls')}` }),
      'ERR_CONSENT_UNKNOWN',
    ],
    [
      'I9: an unknown member',
      async () => ({ scope: 'openid', authorization_details: [{ ...account, more: 1 }] }),
      'ERR_AUTHORIZATION_DETAILS',
    ],
    [
      'two ways',
      async () => ({
        scope: `openid AIS:${await create('berlin-group', account)}`,
        authorization_details: [account],
      }),
      'ERR_CONSENT_REFERENCE',
    ],
  ])('and are refused for %s', async (_name, claims, code) => {
    expect(await refusalOf(tpp.ask(await claims()))).toMatchObject({ code });
  });
});
