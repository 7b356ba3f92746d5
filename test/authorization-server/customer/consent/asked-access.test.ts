import type { Client } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import { AskedAccesses } from '../../../../src/authorization-server/customer/consent/asked-access.ts';
import type { Consent } from '../../../../src/consent/consent.ts';
import type { AuthorizationDetail } from '../../../../src/consent/details/authorization-detail.ts';
import { CONSENT_REFERENCES } from '../../../../src/consent/details/consent-reference.ts';
import { DetailTypes } from '../../../../src/consent/details/detail-types.ts';
import { isRefusal } from '../../../../src/errors.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const DAY_SECONDS = 86_400;
const account: AuthorizationDetail = { type: 'account_information', actions: ['list_accounts'] };
const payment: AuthorizationDetail = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '10.00' },
  creditorName: 'Merchant',
  creditorAccount: { iban: 'DE89370400440532013000' },
};

const kept = (consentId: string, given: Partial<Consent> = {}): Consent => ({
  consentId,
  status: 'awaiting-authorisation',
  reference: 'openbanking_intent_id',
  clientId: 'one',
  authorizationNumber: 'PSDGB-FCA-100',
  details: [account],
  scopes: [],
  accountIds: [],
  createdAt: NOW,
  statusChangedAt: NOW,
  history: [],
  contentHash: `hash of ${consentId}`,
  expiresAt: new Date('2026-12-31T00:00:00Z'),
  ...given,
});
const CONSENTS = [
  kept('waiting'),
  kept('urn:bank:1'),
  kept('in-use', { status: 'authorised', psuId: 'alice' }),
  kept('alices', { psuId: 'alice' }),
  kept('payment', { details: [payment] }),
  kept('paying', { details: [payment], status: 'authorised' }),
  kept('paid', { details: [payment], status: 'consumed' }),
  kept('refused', { status: 'rejected' }),
  kept('ended', { status: 'revoked' }),
  kept('late', { status: 'expired' }),
  kept('of-two', { clientId: 'two' }),
];
const accesses = new AskedAccesses({
  consents: { find: async (id) => CONSENTS.find(({ consentId }) => consentId === id) },
  detailTypes: new DetailTypes([], ['accounts', 'payments', 'fundsconfirmations']),
  customerClaims: ['name'],
  resource: 'https://api.bank.example',
  allowsPaymentsByScope: true,
  clock: { now: () => NOW },
  consentSeconds: 180 * DAY_SECONDS,
});

const of = (params: Record<string, string>, clientId = 'one', ways: readonly string[] = CONSENT_REFERENCES) =>
  accesses.of({ params, client: { clientId, consent_references: ways } as unknown as Client });
const codeOf = async (params: Record<string, string>, clientId?: string) => {
  try {
    await of(params, clientId);
    return undefined;
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
};
const intent = (value: unknown, essential: unknown = true) => ({
  scope: 'openid accounts',
  claims: JSON.stringify({ id_token: { openbanking_intent_id: { value, essential } } }),
});
const rich = (...details: AuthorizationDetail[]) => ({ authorization_details: JSON.stringify(details) });

describe('the access that a request asks for', () => {
  it('is named by scopes alone', async () => {
    expect(await of({ scope: 'openid accounts' })).toMatchObject({
      reference: 'scope',
      details: [],
      scopes: ['openid', 'accounts'],
      isPayment: false,
      isRenewal: false,
      expiresAt: new Date('2027-05-28T12:00:00Z'),
    });
    expect(await of({ scope: 'payments' })).toMatchObject({ isPayment: true });
  });

  it('is named by authorization details, whose scopes are added (RFC 9396 §3.1)', async () => {
    const asked = await of(rich({ ...account, validUntil: '2026-12-31' }, payment));
    expect(asked).toMatchObject({
      reference: 'authorization_details',
      scopes: ['accounts', 'payments'],
      isPayment: true,
      expiresAt: new Date('2026-12-31T23:59:59.999Z'),
    });
    expect(await codeOf(rich({ ...account, validUntil: '2026-11-28' }))).toBe('ERR_AUTHORIZATION_DETAILS');
    expect(await codeOf({ authorization_details: '[' })).toBe('ERR_AUTHORIZATION_DETAILS');
    expect(await codeOf({ authorization_details: '[]' })).toBe('ERR_AUTHORIZATION_DETAILS');
  });

  it.each([
    ['openbanking_intent_id', intent('waiting'), 'waiting', ['openid', 'accounts']],
    ['berlin-group', { scope: 'AIS:waiting' }, 'waiting', ['AIS:waiting', 'accounts']],
    ['berlin-group', { scope: 'openid PIS:payment' }, 'payment', ['openid', 'PIS:payment', 'payments']],
    [
      'open-finance-brasil',
      { scope: 'accounts consent:urn:bank:1' },
      'urn:bank:1',
      ['accounts', 'consent:urn:bank:1'],
    ],
  ] as const)('is named by %s: %j', async (reference, params, consentId, scopes) => {
    const asked = await of(params);
    expect(asked).toMatchObject({ reference, scopes, contentHash: `hash of ${consentId}` });
    expect(asked.consent?.consentId).toBe(consentId);
  });

  it.each([
    ['scope', { scope: 'accounts' }],
    ['authorization_details', rich(account)],
    ['openbanking_intent_id', intent('waiting')],
    ['berlin-group', { scope: 'AIS:waiting' }],
    ['open-finance-brasil', { scope: 'consent:waiting' }],
  ])('is refused by %s for a client that is registered for the other ways', async (way, params) => {
    const others = CONSENT_REFERENCES.filter((one) => one !== way);
    await expect(of(params, 'one', others)).rejects.toMatchObject({ code: 'ERR_CONSENT_REFERENCE' });
    await expect(of(params, 'one', [])).rejects.toMatchObject({ code: 'ERR_CONSENT_REFERENCE' });
    expect((await of(params, 'one', [way])).reference).toBe(way);
  });

  it('is for one customer where the consent is', async () => {
    expect((await of(intent('alices'))).customer).toBe('alice');
    expect((await of(intent('waiting'))).customer).toBeUndefined();
  });

  it('renews an account access that is in use, for its customer alone', async () => {
    expect(await of(intent('in-use'))).toMatchObject({ isRenewal: true, customer: 'alice' });
    expect((await of(intent('waiting'))).isRenewal).toBe(false);
  });

  it.each(['paying', 'paid', 'refused', 'ended', 'late'])('refuses a consent that is %s', async (id) => {
    expect(await codeOf(intent(id))).toBe('ERR_CONSENT_STATUS');
  });

  it('K1: refuses the consent of another client like one that does not exist', async () => {
    for (const [other, none] of [
      [intent('of-two'), intent('of-three')],
      [{ scope: 'AIS:of-two' }, { scope: 'AIS:of-three' }],
      [{ scope: 'consent:of-two' }, { scope: 'consent:of-three' }],
    ] as const) {
      expect(await codeOf(other)).toBe('ERR_CONSENT_UNKNOWN');
      expect(await codeOf(none)).toBe('ERR_CONSENT_UNKNOWN');
    }
    expect(await codeOf(intent('of-two'), 'two')).toBeUndefined();
  });

  it.each<[string, Record<string, string>]>([
    ['two consents of the Berlin Group', { scope: 'AIS:waiting AIS:in-use' }],
    ['one beside a scope of the APIs', { scope: 'AIS:waiting payments' }],
    ['one of another service', { scope: 'PIS:waiting' }],
    ['funds by an account access', { scope: 'PIIS:waiting' }],
    ['two consents of Brazil', { scope: 'consent:waiting consent:in-use' }],
    ['two ways', { ...intent('waiting'), scope: 'openid AIS:waiting' }],
    ['details beside a consent', { ...intent('waiting'), ...rich(account) }],
    ['no consent', { scope: 'AIS:' }],
    ['no identifier', { scope: 'consent:a/b' }],
    ['an intent without a value', intent(undefined)],
    ['an intent that is a number', intent(7)],
    ['an intent that is not essential', intent('waiting', false)],
    ['an intent of 129 characters', intent('a'.repeat(129))],
    [
      'two intents',
      {
        scope: 'openid',
        claims: JSON.stringify({
          id_token: { openbanking_intent_id: { value: 'waiting', essential: true } },
          userinfo: { openbanking_intent_id: { value: 'in-use' } },
        }),
      },
    ],
  ])('refuses a request that names %s', async (_name, params) => {
    expect(await codeOf(params)).toBe('ERR_CONSENT_REFERENCE');
  });

  it('K3: links the authentication to everything that the customer sees', async () => {
    const hash = async (params: Record<string, string>, clientId?: string) =>
      (await of(params, clientId)).linkHash;
    const cent = { ...payment, instructedAmount: { currency: 'EUR', amount: '10.01' } };
    const letter = { ...payment, creditorName: 'merchant' };
    const claims = JSON.stringify({ userinfo: { name: null } });
    const hashes = await Promise.all([
      hash(rich(payment)),
      hash(rich(payment), 'two'),
      hash(rich(cent)),
      hash(rich(letter)),
      hash(rich(payment, account)),
      hash({ ...rich(payment), scope: 'openid' }),
      hash({ ...rich(payment), scope: 'openid', claims }),
      hash(intent('payment')),
      hash(intent('waiting')),
      hash(intent('alices')),
    ]);
    expect(new Set(hashes).size).toBe(hashes.length);
    expect(await hash(rich(payment))).toBe(hashes[0]);
    const turned = Object.fromEntries(Object.entries(payment).toReversed()) as AuthorizationDetail;
    expect(await hash(rich(turned))).toBe(hashes[0]);
  });
});
