import type { Client } from 'oidc-provider';
import { describe, expect, it } from 'vitest';
import { AskedAccesses } from '../../../../src/authorization-server/customer/consent/asked-access.ts';
import type { Consent } from '../../../../src/consent/consent.ts';
import type { AuthorizationDetail } from '../../../../src/consent/details/authorization-detail.ts';
import { DetailTypes } from '../../../../src/consent/details/detail-types.ts';
import { isRefusal } from '../../../../src/errors.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const accounts: AuthorizationDetail = { type: 'account_information', actions: ['list_accounts'] };
const balances: AuthorizationDetail = { type: 'account_information', actions: ['read_balances'] };
const payment: AuthorizationDetail = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '10.00' },
  creditorName: 'Merchant',
  creditorAccount: { iban: 'DE89370400440532013000' },
};
const kept = (consentId: string, given: Partial<Consent> = {}): Consent => ({
  consentId,
  status: 'authorised',
  reference: 'authorization_details',
  clientId: 'one',
  psuId: 'alice',
  authorizationNumber: 'PSDGB-FCA-100',
  accountIds: [],
  createdAt: NOW,
  statusChangedAt: NOW,
  history: [],
  details: [accounts],
  scopes: ['openid', 'accounts'],
  claims: { idToken: ['name'], userinfo: [] },
  contentHash: `hash of ${consentId}`,
  expiresAt: new Date('2026-12-31T00:00:00Z'),
  ...given,
});
const WAYS = ['scope', 'authorization_details', 'openbanking_intent_id'];
let consents: Consent[] = [];
const accesses = new AskedAccesses({
  consents: { find: async (id) => consents.find(({ consentId }) => consentId === id) },
  detailTypes: new DetailTypes([], ['accounts', 'payments', 'fundsconfirmations']),
  customerClaims: ['name', 'email'],
  clock: { now: () => NOW },
  consentSeconds: 86_400,
  resource: 'https://api.bank.example',
  allowsPaymentsByScope: true,
});
const of = (params: Record<string, string>) =>
  accesses.of({ params, client: { clientId: 'one', consent_references: WAYS } as unknown as Client });
const codeOf = (params: Record<string, string>) =>
  of(params).then(
    () => undefined,
    (error: unknown) => (isRefusal(error) ? error.code : Promise.reject(error)),
  );
const rich = (...details: AuthorizationDetail[]) => ({ authorization_details: JSON.stringify(details) });
const changing = (action: string, grantId: string) => ({
  grant_management_action: action,
  grant_id: grantId,
});

describe('a request that changes an earlier grant (Grant Management)', () => {
  it('merges: asks for what was allowed and for what is added, of the same customer', async () => {
    consents = [kept('g1')];
    const asked = await of({
      ...rich(balances, accounts),
      scope: 'openid',
      claims: JSON.stringify({ id_token: { email: null } }),
      ...changing('merge', 'g1'),
    });
    expect(asked).toMatchObject({
      consent: undefined,
      earlier: { action: 'merge', consent: { consentId: 'g1' } },
      details: [accounts, balances],
      scopes: ['openid', 'accounts'],
      claims: { idToken: ['name', 'email'], userinfo: [] },
      customer: 'alice',
      isRenewal: false,
    });
  });

  it('merges scopes, where there are no details', async () => {
    consents = [kept('g1', { details: [], reference: 'scope' })];
    const asked = await of({ scope: 'fundsconfirmations', ...changing('merge', 'g1') });
    expect(asked.scopes).toEqual(['openid', 'accounts', 'fundsconfirmations']);
  });

  it('replaces: asks for what the request names', async () => {
    consents = [kept('g1')];
    const asked = await of({ ...rich(balances), ...changing('replace', 'g1') });
    expect(asked).toMatchObject({ details: [balances], scopes: ['accounts'], customer: 'alice' });
    expect(asked.claims).toEqual({ idToken: [], userinfo: [] });
  });

  it('is another request once the earlier grant has changed: what was shown holds no more (K3)', async () => {
    const hashes = new Set<string>();
    const request = { ...rich(balances), ...changing('merge', 'g1') };
    consents = [kept('g1')];
    hashes.add((await of(request)).linkHash);
    hashes.add((await of({ ...request, ...changing('replace', 'g1') })).linkHash);
    hashes.add((await of(rich(balances))).linkHash);
    consents = [kept('g1', { contentHash: 'another' })];
    hashes.add((await of(request)).linkHash);
    expect(hashes.size).toBe(4);
  });

  it.each([
    ['unknown', 'none'],
    ['of another client (K1)', 'of-two'],
    ['over', 'revoked'],
    ['not allowed yet', 'waiting'],
    ['an intent of the bank', 'intent'],
    ['no id at all', '../../x'],
  ])('is refused alike for a grant that is %s', async (_title, grantId) => {
    consents = [
      kept('of-two', { clientId: 'two' }),
      kept('revoked', { status: 'revoked' }),
      kept('waiting', { status: 'awaiting-authorisation' }),
      kept('intent', { reference: 'openbanking_intent_id' }),
    ];
    for (const action of ['merge', 'replace']) {
      expect(await codeOf({ ...rich(balances), ...changing(action, grantId) })).toBe('ERR_GRANT_ID');
    }
  });

  it.each<[string, Record<string, string>]>([
    ['an unknown action', changing('update', 'g1')],
    ['merge without grant_id', { grant_management_action: 'merge' }],
    ['replace without grant_id', { grant_management_action: 'replace' }],
    ['create with grant_id', changing('create', 'g1')],
    ['grant_id without an action', { grant_id: 'g1' }],
    [
      'another way of naming than the grant',
      { authorization_details: '', scope: 'accounts', ...changing('merge', 'g1') },
    ],
    ['a payment', { ...rich(payment), ...changing('merge', 'g1') }],
    ['a payment in the place of an access', { ...rich(payment), ...changing('replace', 'g1') }],
    ['the scope of payments', { scope: 'openid payments', ...changing('merge', 'g1') }],
    [
      'an intent',
      {
        scope: 'openid accounts',
        claims: JSON.stringify({ id_token: { openbanking_intent_id: { value: 'g1', essential: true } } }),
        ...changing('merge', 'g1'),
      },
    ],
  ])('is refused: %s', async (_title, params) => {
    consents = [kept('g1', params.claims === undefined ? {} : { status: 'awaiting-authorisation' })];
    expect(await codeOf({ ...rich(balances), ...params })).toMatch(
      /^ERR_GRANT_ACTION|ERR_CONSENT_REFERENCE$/,
    );
  });

  it('is refused when the union has more than a request may have', async () => {
    const many = Array.from({ length: 10 }, (_, at) => ({ ...accounts, frequencyPerDay: at + 1 }));
    consents = [kept('g1', { details: many.slice(0, 6) })];
    expect(await codeOf({ ...rich(...many.slice(4)), ...changing('merge', 'g1') })).toBeUndefined();
    consents = [kept('g1', { details: many })];
    expect(await codeOf({ ...rich(balances), ...changing('merge', 'g1') })).toBe('ERR_AUTHORIZATION_DETAILS');
  });
});
