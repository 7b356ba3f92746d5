import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { AskedConsent } from '../../../../src/consent/consent-changes.ts';
import type { AuthorizationDetail } from '../../../../src/consent/details/authorization-detail.ts';
import type { ConsentReference } from '../../../../src/consent/details/consent-reference.ts';
import { claimsOf, codeOf, Tpp } from '../../../durability/tpp.ts';
import { createCaller } from '../../../resource-server/test-bank.ts';
import { Customer, PagesBench } from '../pages-bench.ts';

const VERIFIER = 'v'.repeat(43);
const ALL = 'openid accounts payments fundsconfirmations';
const REDIRECT = 'https://tpp.example/cb';
const account: AuthorizationDetail = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
};
const payment: AuthorizationDetail = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'EUR', amount: '10.00' },
  creditorName: 'Merchant',
  creditorAccount: { iban: 'DE89370400440532013000' },
};
const funds: AuthorizationDetail = {
  type: 'funds_confirmation',
  account: { iban: 'DE89370400440532013000' },
};

/** Client → its registration beside what all have; the name before the `@` is that of the TPP. */
const CLIENTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'rich@money-one': {},
  'few-types@money-one': { authorization_details_types: ['account_information'] },
  'accounts-only@money-one': { scope: 'openid accounts' },
  'scopes@money-one': { consent_references: ['scope'] },
  'uk@money-one': { consent_references: ['openbanking_intent_id'] },
  'berlin@money-one': { consent_references: ['berlin-group'] },
  'brasil@money-one': { consent_references: ['open-finance-brasil'] },
  'berlin@pay-by-bank': { consent_references: ['berlin-group'] },
  'rich@pay-by-bank': {},
};

let bench: PagesBench;
let payByBank: Tpp;
let caller: ReturnType<typeof createCaller>;
beforeAll(async () => {
  const numbers: Readonly<Record<string, string>> = {
    'money-one': 'PSDGB-FCA-900003',
    'pay-by-bank': 'PSDGB-FCA-900002',
  };
  const clients = Object.entries(CLIENTS).map(([client_id, more]) => ({
    client_id,
    client_name: 'App',
    authorization_number: numbers[client_id.split('@')[1] ?? ''],
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    scope: ALL,
    ...more,
  }));
  bench = await PagesBench.open({}, { clients });
  payByBank = new Tpp(bench.bank, 'pay-by-bank');
  caller = createCaller(bench.bank.description);
});
afterAll(async () => {
  payByBank.close();
  await caller.close();
  await bench.close();
});
afterEach(() => {
  bench.current = {};
});

const tppOf = (client: string) => (client.endsWith('pay-by-bank') ? payByBank : bench.tpp);
const post = (client: string, path: string, form: Record<string, string>) =>
  tppOf(client).post(bench.to, path, { client_id: client, ...form });
const push = (client: string, parameters: Record<string, string>) =>
  post(client, '/par', {
    response_type: 'code',
    redirect_uri: REDIRECT,
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    ...parameters,
  });
const rich = (...details: AuthorizationDetail[]) => ({ authorization_details: JSON.stringify(details) });
const intent = (value: string, userinfo = false) => {
  const claim = { openbanking_intent_id: { value, essential: true } };
  return {
    scope: 'openid accounts',
    claims: JSON.stringify({ id_token: claim, ...(userinfo ? { userinfo: claim } : {}) }),
  };
};

/** A customer at the consent page. */
async function atConsent(client: string, parameters: Record<string, string>): Promise<Customer> {
  const pushed = await push(client, parameters);
  expect(pushed.status, pushed.text).toBe(201);
  const customer = await Customer.at(bench, client, String(pushed.json.request_uri));
  await customer.send({ username: 'ann', password: 'x' });
  return customer;
}

async function approve(customer: Customer, count = 1): Promise<void> {
  const offered = [...customer.page.text.matchAll(/name="account" value="([^"]*)"/g)];
  await customer.send({ account: offered.slice(0, count).map(([, id = '']) => id) }, 'approve');
}

/** The code of a whole authorization by the pages. */
async function authorized(client: string, parameters: Record<string, string>): Promise<string> {
  const customer = await atConsent(client, parameters);
  await approve(customer);
  const code = codeOf(customer.page);
  if (code === undefined) throw new Error(`no code: ${customer.page.text.slice(0, 300)}`);
  return code;
}

const redeem = (client: string, code: string, more: Record<string, string> = {}) =>
  post(client, '/token', {
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT,
    code_verifier: VERIFIER,
    ...more,
  });
const refresh = (client: string, token: unknown, more: Record<string, string> = {}) =>
  post(client, '/token', { grant_type: 'refresh_token', refresh_token: String(token), ...more });

let made = 0;
/** A consent that waits. */
async function create(
  clientId: string,
  reference: ConsentReference,
  given: Partial<AskedConsent> = {},
): Promise<string> {
  made += 1;
  const { consentId } = await bench.server.consents.create({
    consentId: `consent-${made}`,
    reference,
    clientId,
    authorizationNumber: 'PSDGB-FCA-900003',
    details: [account],
    expiresAt: new Date(Date.now() + 86_400_000),
    by: { kind: 'tpp' },
    ...given,
  });
  return consentId;
}

describe('rich authorization requests (RFC 9396)', () => {
  it('need no scope, and come back as the customer allowed them: answer, token, introspection', async () => {
    const { status, json } = await redeem(
      'rich@money-one',
      await authorized('rich@money-one', rich(account, payment)),
    );
    expect(status).toBe(200);
    const allowed = [
      { ...account, accounts: [{ scheme: 'account-id', identification: 'acc-1001' }] },
      payment,
    ];
    expect(json).toMatchObject({ scope: 'accounts payments', authorization_details: allowed });
    const claims = claimsOf(String(json.access_token));
    expect(claims).toMatchObject({ authorization_details: allowed, scope: 'accounts payments' });
    const consent = await bench.server.consents.find(String(claims.consent_id));
    expect(consent).toMatchObject({
      status: 'authorised',
      reference: 'authorization_details',
      details: allowed,
      accountIds: ['acc-1001'],
    });
    const form = { token: String(json.access_token) };
    const api = { certificate: bench.bank.apis.accounts, form: { client_id: 'accounts-api', ...form } };
    const introspected = await caller.send(`${bench.bank.description.mtlsUrl}/introspect`, api);
    expect(introspected.json).toMatchObject({ active: true, authorization_details: allowed });
    const other = { certificate: bench.bank.apis.other, form: { client_id: 'other-api', ...form } };
    expect((await caller.send(`${bench.bank.description.mtlsUrl}/introspect`, other)).json).toEqual({
      active: false,
    });
  });

  it('end with the earliest date of the details', async () => {
    const validUntil = new Date(Date.now() + 2 * 86_400_000).toISOString().slice(0, 10);
    const code = await authorized('rich@money-one', rich({ ...account, validUntil }));
    const { json } = await redeem('rich@money-one', code);
    const consent = await bench.server.consents.find(String(claimsOf(String(json.access_token)).consent_id));
    expect(consent?.expiresAt).toEqual(new Date(`${validUntil}T23:59:59.999Z`));
  });

  it('I10: are narrowed at the exchange of a code and at a refresh, and never widened', async () => {
    const client = 'rich@money-one';
    const code = await authorized(client, rich(account, payment));
    const wide = await redeem(client, code, rich({ ...account, actions: ['read_transactions'] }));
    expect([wide.status, wide.json.error]).toEqual([400, 'invalid_authorization_details']);
    const second = await authorized(client, rich(account, payment));
    const balances = { ...account, actions: ['read_balances'] };
    const { json } = await redeem(client, second, rich(balances));
    const accounts = [{ scheme: 'account-id', identification: 'acc-1001' }];
    expect(json).toMatchObject({ scope: 'accounts', authorization_details: [{ ...balances, accounts }] });
    expect(claimsOf(String(json.access_token))).toMatchObject({ scope: 'accounts' });
    const again = await refresh(client, json.refresh_token);
    expect(again.json.authorization_details).toEqual([{ ...account, accounts }, payment]);
    const narrow = await refresh(client, json.refresh_token, rich(payment));
    expect(narrow.json).toMatchObject({ scope: 'payments', authorization_details: [payment] });
    for (const more of [
      rich({ ...payment, instructedAmount: { currency: 'EUR', amount: '10.01' } }),
      rich(funds),
      rich({ ...account, accounts: [{ scheme: 'account-id', identification: 'acc-2001' }] }),
    ]) {
      const refused = await refresh(client, json.refresh_token, more);
      expect([refused.status, refused.json.error]).toEqual([400, 'invalid_authorization_details']);
    }
    const scoped = await refresh(client, json.refresh_token, { scope: 'payments' });
    expect(scoped.json).toMatchObject({ scope: 'payments', authorization_details: [payment] });
  });

  it.each<[string, string, Record<string, string>, string]>([
    ['an unknown type', 'rich@money-one', rich({ type: 'other' }), 'invalid_authorization_details'],
    ['an unknown member', 'rich@money-one', rich({ ...account, more: 1 }), 'invalid_authorization_details'],
    [
      'an amount in another way of writing',
      'rich@money-one',
      rich({ ...payment, instructedAmount: { currency: 'EUR', amount: '1e2' } }),
      'invalid_authorization_details',
    ],
    ['no JSON', 'rich@money-one', { authorization_details: '[' }, 'invalid_authorization_details'],
    ['no list', 'rich@money-one', { authorization_details: '{}' }, 'invalid_authorization_details'],
    ['an empty list', 'rich@money-one', { authorization_details: '[]' }, 'invalid_authorization_details'],
    [
      'eleven objects',
      'rich@money-one',
      rich(...Array.from({ length: 11 }, () => funds)),
      'invalid_authorization_details',
    ],
    [
      'more than 16,384 characters',
      'rich@money-one',
      { authorization_details: `[${' '.repeat(16_384)}]` },
      'invalid_request',
    ],
    [
      'deep nesting',
      'rich@money-one',
      { authorization_details: '['.repeat(500) + ']'.repeat(500) },
      'invalid_request',
    ],
    ['payments by scope alone', 'rich@money-one', { scope: 'openid payments' }, 'invalid_request'],
    [
      'another place',
      'rich@money-one',
      rich({ ...account, locations: ['https://other.bank.example'] }),
      'invalid_authorization_details',
    ],
    ['a type that the client lacks', 'few-types@money-one', rich(payment), 'invalid_authorization_details'],
    ['a scope that the client lacks', 'accounts-only@money-one', rich(payment), 'invalid_scope'],
    ['a role that the TPP lacks', 'rich@pay-by-bank', rich(account), 'invalid_scope'],
    ['a way that the client lacks', 'scopes@money-one', rich(account), 'invalid_request'],
    ['another way of the client', 'berlin@money-one', rich(account), 'invalid_request'],
  ])('I9: a pushed request with %s is refused', async (_name, client, parameters, error) => {
    const { status, json } = await push(client, parameters);
    expect([status, json.error]).toEqual([400, error]);
  });

  it('have no place at client_credentials', async () => {
    const form = { grant_type: 'client_credentials', scope: 'accounts', ...rich(account) };
    const { status, json } = await post('rich@money-one', '/token', form);
    expect([status, json.error]).toEqual([400, 'invalid_authorization_details']);
  });
});

describe('consents of the bank, named by a request', () => {
  it.each<
    [string, string, ConsentReference, AuthorizationDetail, (id: string) => Record<string, string>, string]
  >([
    ['UK', 'uk@money-one', 'openbanking_intent_id', account, (id) => intent(id), 'openid accounts'],
    [
      'Berlin Group, AIS',
      'berlin@money-one',
      'berlin-group',
      account,
      (id) => ({ scope: `AIS:${id}` }),
      'AIS:# accounts',
    ],
    [
      'Berlin Group, PIS',
      'berlin@money-one',
      'berlin-group',
      payment,
      (id) => ({ scope: `PIS:${id}` }),
      'PIS:# payments',
    ],
    [
      'Berlin Group, PIIS',
      'berlin@money-one',
      'berlin-group',
      funds,
      (id) => ({ scope: `PIIS:${id}` }),
      'PIIS:# fundsconfirmations',
    ],
    [
      'Brazil',
      'brasil@money-one',
      'open-finance-brasil',
      account,
      (id) => ({ scope: `openid accounts consent:${id}` }),
      'openid accounts consent:#',
    ],
  ])(
    '%s: are authorised under their own identifier',
    async (_name, client, reference, detail, named, scope) => {
      const consentId = await create(client, reference, { details: [detail] });
      const { json } = await redeem(client, await authorized(client, named(consentId)));
      expect(String(json.scope).split(' ').toSorted()).toEqual(
        scope.replace('#', consentId).split(' ').toSorted(),
      );
      expect(json).not.toHaveProperty('authorization_details');
      expect(claimsOf(String(json.access_token))).toMatchObject({ consent_id: consentId, scope: json.scope });
      expect(await bench.server.consents.find(consentId)).toMatchObject({
        status: 'authorised',
        psuId: 'psu-6f1c2a',
      });
      const refreshed = await refresh(client, json.refresh_token);
      expect(refreshed.json.scope).toBe(json.scope);
    },
  );

  it('come back as openbanking_intent_id: in the ID token, and in userinfo', async () => {
    const consentId = await create('uk@money-one', 'openbanking_intent_id');
    const code = await authorized('uk@money-one', intent(consentId, true));
    const { json } = await redeem('uk@money-one', code);
    expect(claimsOf(String(json.id_token)).openbanking_intent_id).toBe(consentId);
    const { json: user } = await bench.tpp.userinfo(bench.to, String(json.access_token));
    expect(user).toEqual({ sub: 'psu-6f1c2a', openbanking_intent_id: consentId });
  });

  it('K1: of another client are refused like one that does not exist, with the same words', async () => {
    const foreign = await create('berlin@pay-by-bank', 'berlin-group', { details: [account] });
    const answers = [];
    for (const id of [foreign, 'x'.repeat(foreign.length)]) {
      for (const [client, named] of [
        ['uk@money-one', intent(id)],
        ['berlin@money-one', { scope: `AIS:${id}` }],
        ['brasil@money-one', { scope: `accounts consent:${id}` }],
      ] as const) {
        const { status, text } = await push(client, named);
        answers.push(`${status} ${text}`);
      }
    }
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('ERR_CONSENT_UNKNOWN');
  });

  it.each(['rejected', 'revoked', 'consumed', 'expired'])('that are %s are refused', async (status) => {
    const client = 'berlin@money-one';
    const expiresAt = new Date(Date.now() + (status === 'expired' ? 300 : 86_400_000));
    const consentId = await create(client, 'berlin-group', { details: [payment], expiresAt });
    const { consents } = bench.server;
    const by = { by: { kind: 'bank' } } as const;
    if (status === 'rejected') await consents.reject(consentId, by);
    if (status === 'revoked') await consents.revoke(consentId, by);
    if (status === 'expired') await new Promise((resolve) => setTimeout(resolve, 400));
    if (status === 'consumed') {
      await authorized(client, { scope: `PIS:${consentId}` });
      await consents.consume(consentId, by);
    }
    const { json } = await push(client, { scope: `PIS:${consentId}` });
    expect(json.error_description).toContain(`ERR_CONSENT_STATUS`);
    expect(json.error_description).toContain(status);
  });

  it.each<[string, (id: string) => Promise<unknown>]>([
    ['rejected', (id) => bench.server.consents.reject(id, { by: { kind: 'bank' } })],
    ['revoked', (id) => bench.server.consents.revoke(id, { by: { kind: 'bank' } })],
    [
      'changed by one cent',
      (id) => {
        const instructedAmount = { currency: 'EUR', amount: '10.01' };
        return bench.server.consents.change(id, {
          details: [{ ...payment, instructedAmount }],
          by: { kind: 'tpp' },
        });
      },
    ],
    [
      'changed by one letter',
      (id) =>
        bench.server.consents.change(id, {
          details: [{ ...payment, creditorName: 'Merchent' }],
          by: { kind: 'tpp' },
        }),
    ],
  ])('K3: that are %s after the customer was shown them are not approved', async (_name, change) => {
    const consentId = await create('berlin@money-one', 'berlin-group', { details: [payment] });
    const customer = await atConsent('berlin@money-one', { scope: `PIS:${consentId}` });
    await change(consentId);
    await approve(customer);
    expect(codeOf(customer.page)).toBeUndefined();
    expect((await bench.server.consents.find(consentId))?.status).not.toBe('authorised');
  });

  it('a payment that is authorised is not authorised again', async () => {
    const consentId = await create('berlin@money-one', 'berlin-group', { details: [payment] });
    const [one, two] = [
      await atConsent('berlin@money-one', { scope: `PIS:${consentId}` }),
      await atConsent('berlin@money-one', { scope: `PIS:${consentId}` }),
    ];
    await approve(one);
    expect(codeOf(one.page)).toBeDefined();
    await approve(two);
    expect(codeOf(two.page)).toBeUndefined();
    expect((await push('berlin@money-one', { scope: `PIS:${consentId}` })).text).toContain(
      'ERR_CONSENT_STATUS',
    );
  });

  it('a payment that two approve at once is said to be confirmed to one of them only', async () => {
    const consentId = await create('berlin@money-one', 'berlin-group', { details: [payment] });
    const both = [
      await atConsent('berlin@money-one', { scope: `PIS:${consentId}` }),
      await atConsent('berlin@money-one', { scope: `PIS:${consentId}` }),
    ];
    const paths = both.map(({ path }) => path);
    await Promise.all(both.map((customer) => approve(customer)));
    const codes = both.map(({ page }) => codeOf(page));
    expect(codes.filter((code) => code !== undefined)).toHaveLength(1);
    for (const [at, customer] of both.entries()) {
      await customer.reload(paths[at] ?? '');
      const isTold = customer.page.text.includes('You have confirmed the payment');
      expect(isTold).toBe(codes[at] !== undefined);
    }
  });

  it('an account access is renewed by its customer under the same identifier, and by no one else', async () => {
    const client = 'berlin@money-one';
    const consentId = await create(client, 'berlin-group');
    const named = { scope: `AIS:${consentId}` };
    const first = (await redeem(client, await authorized(client, named))).json;
    const second = (await redeem(client, await authorized(client, named))).json;
    expect(claimsOf(String(second.access_token)).consent_id).toBe(consentId);
    expect((await refresh(client, second.refresh_token)).status).toBe(200);
    expect((await refresh(client, first.refresh_token)).json.error).toBe('invalid_grant');
    bench.current = {
      answerAuthentication: async () => ({ type: 'authenticated', psuId: 'psu-of-another', amr: ['pwd'] }),
    };
    const customer = await atConsent(client, named);
    await approve(customer);
    expect(codeOf(customer.page)).toBeUndefined();
    expect((await refresh(client, second.refresh_token)).status).toBe(200);
  });

  it.each<[string, string, (id: string) => Record<string, string>, string]>([
    ['as another service', 'berlin@money-one', (id) => ({ scope: `PIS:${id}` }), 'ERR_CONSENT_REFERENCE'],
    ['by a way that the client lacks', 'berlin@money-one', (id) => intent(id), 'ERR_CONSENT_REFERENCE'],
    ['twice', 'berlin@money-one', (id) => ({ scope: `AIS:${id} AIS:${id}x` }), 'ERR_CONSENT_REFERENCE'],
    [
      'beside another scope',
      'berlin@money-one',
      (id) => ({ scope: `AIS:${id} payments` }),
      'ERR_CONSENT_REFERENCE',
    ],
    [
      'beside details',
      'berlin@money-one',
      (id) => ({ scope: `AIS:${id}`, ...rich(account) }),
      'ERR_CONSENT_REFERENCE',
    ],
    [
      'by a client of another way',
      'scopes@money-one',
      (id) => ({ scope: `AIS:${id}` }),
      'ERR_CONSENT_REFERENCE',
    ],
    ['with scopes alone', 'berlin@money-one', () => ({ scope: 'accounts' }), 'ERR_CONSENT_REFERENCE'],
    ['without a scope of the APIs', 'uk@money-one', () => ({ scope: 'openid' }), 'ERR_CONSENT_REFERENCE'],
  ])('are refused %s', async (_name, client, named, code) => {
    const { json } = await push(client, named(await create('berlin@money-one', 'berlin-group')));
    expect(json.error_description).toContain(code);
  });

  it('need the role of the service (AI, PI, IC)', async () => {
    const client = 'berlin@pay-by-bank';
    const named = async (service: string, detail: AuthorizationDetail) => ({
      scope: `${service}:${await create(client, 'berlin-group', { details: [detail] })}`,
    });
    for (const [service, detail] of [
      ['AIS', account],
      ['PIIS', funds],
    ] as const) {
      const { json } = await push(client, await named(service, detail));
      expect(json.error_description).toContain('ERR_TPP_ROLE_MISSING');
    }
    expect((await push(client, await named('PIS', payment))).status).toBe(201);
  });
});
