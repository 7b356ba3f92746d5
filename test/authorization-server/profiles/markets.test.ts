import { createHash } from 'node:crypto';
import { CompactSign } from 'jose';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { isRefusal } from '../../../src/errors.ts';
import { claimsOf } from '../../durability/tpp.ts';
import { Customer, PagesBench } from '../customer/pages-bench.ts';
import { type ClientKey, clientKey } from '../request/authorization-request/request-object-bench.ts';

const VERIFIER = 'v'.repeat(43);
const INTENT = 'urn-alphabank-intent-58923';
const BRASIL_CONSENT = 'urn:bancoex:C1DD33123';
const ACR_VALUES = ['urn:openbanking:psd2:sca', 'urn:openbanking:psd2:ca', 'urn:brasil:openbanking:loa2'];
const MARKETS = ['uk-open-banking', 'open-finance-brasil'];
const intent = (value: unknown = INTENT, essential: unknown = true) => ({
  id_token: { openbanking_intent_id: { value, essential } },
});

let bench: PagesBench;
let key: ClientKey;

beforeAll(async () => {
  key = await clientKey('PS256', 'rsa');
  const clients = MARKETS.map((profile) => ({
    client_id: profile,
    client_name: 'Market',
    authorization_number: 'PSDGB-FCA-900003',
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: ['https://tpp.example/cb'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code id_token'],
    scope: 'openid accounts',
    profile,
    jwks: { keys: [key.jwk] },
    id_token_signed_response_alg: 'PS256',
  }));
  const wishing = {
    client_id: 'wishing',
    client_name: 'Wishing',
    authorization_number: 'PSDGB-FCA-900003',
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: ['https://tpp.example/cb'],
    grant_types: ['authorization_code'],
    scope: 'openid accounts',
    default_acr_values: ['urn:openbanking:psd2:sca'],
  };
  const settings = {
    profiles: { allowed: ['fapi2-security', ...MARKETS] },
    acrValues: ACR_VALUES,
    refreshToken: { rotation: true },
    clients: [...clients, wishing],
  };
  bench = await PagesBench.open({}, settings);
  for (const clientId of MARKETS) {
    await bench.server.consents.create({
      consentId: clientId === 'uk-open-banking' ? INTENT : BRASIL_CONSENT,
      reference: clientId === 'uk-open-banking' ? 'openbanking_intent_id' : 'open-finance-brasil',
      clientId,
      authorizationNumber: 'PSDGB-FCA-900003',
      details: [{ type: 'account_information', actions: ['list_accounts', 'read_balances'] }],
      expiresAt: new Date(Date.now() + 3_600_000),
      by: { kind: 'tpp' },
    });
  }
});
afterAll(() => bench.close());
afterEach(() => {
  bench.current = {};
});

const reaches = (acr: string | undefined) => {
  bench.current = {
    answerAuthentication: async () => ({ type: 'authenticated', psuId: 'psu-6f1c2a', amr: ['pwd'], acr }),
  };
};

async function push(profile: string, claims: object = {}) {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: profile,
    client_id: profile,
    aud: bench.bank.description.issuer,
    nbf: now,
    exp: now + 60,
    response_type: 'code id_token',
    redirect_uri: 'https://tpp.example/cb',
    scope: 'openid accounts',
    code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
    code_challenge_method: 'S256',
    nonce: 'n',
    state: 's',
    ...claims,
  };
  const request = await new CompactSign(Buffer.from(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'PS256', kid: 'rsa' })
    .sign(key.privateKey);
  return bench.tpp.post(bench.to, '/par', { client_id: profile, request });
}

/** The parameters that the TPP gets, and the claims of both ID tokens. */
async function flow(profile: string, claims: object) {
  const pushed = await push(profile, claims);
  if (pushed.status !== 201) throw new Error(pushed.text);
  const customer = await Customer.at(bench, profile, String(pushed.json.request_uri));
  await customer.send({ username: 'ann', password: 'x' });
  const [, account = ''] = /name="account" value="([^"]*)"/.exec(customer.page.text) ?? [];
  if (account !== '') await customer.send({ account }, 'approve');
  const answer = Object.fromEntries(
    new URLSearchParams(new URL(String(customer.page.headers.location)).hash.slice(1)),
  );
  if (answer.error !== undefined) return { answer, tokens: {}, front: {}, back: {} };
  const { json: tokens } = await bench.tpp.post(bench.to, '/token', {
    client_id: profile,
    grant_type: 'authorization_code',
    code: answer.code ?? '',
    redirect_uri: 'https://tpp.example/cb',
    code_verifier: VERIFIER,
  });
  const [front, back] = [claimsOf(answer.id_token ?? ''), claimsOf(String(tokens.id_token))];
  return { answer, tokens, front, back };
}

describe('uk-open-banking', () => {
  it('returns the intent and the acr that the login has reached, in every ID token', async () => {
    reaches('urn:openbanking:psd2:ca');
    const { tokens, front, back } = await flow('uk-open-banking', { claims: intent() });
    const expected = { openbanking_intent_id: INTENT, acr: 'urn:openbanking:psd2:ca' };
    expect([front, back]).toEqual([expect.objectContaining(expected), expect.objectContaining(expected)]);
    const refreshed = await bench.tpp.post(bench.to, '/token', {
      client_id: 'uk-open-banking',
      grant_type: 'refresh_token',
      refresh_token: String(tokens.refresh_token),
    });
    expect(claimsOf(String(refreshed.json.id_token))).toMatchObject(expected);
  });

  it('refuses a weaker acr where sca is essential, and a login without one of the market', async () => {
    reaches('urn:openbanking:psd2:ca');
    const sca = { acr: { essential: true, values: ['urn:openbanking:psd2:sca'] } };
    const claims = { id_token: { ...intent().id_token, ...sca } };
    const unmet = { error: 'unmet_authentication_requirements', state: 's' };
    expect((await flow('uk-open-banking', { claims })).answer).toMatchObject(unmet);
    reaches(undefined);
    expect((await flow('uk-open-banking', { claims: intent() })).answer).toMatchObject(unmet);
    reaches('urn:openbanking:psd2:sca');
    expect((await flow('uk-open-banking', { claims })).front.acr).toBe('urn:openbanking:psd2:sca');
  });

  it.each([
    ['no claims', undefined],
    ['claims as text without it', '{"id_token":{"acr":null}}'],
    ['no intent', { id_token: { acr: null } }],
    ['an intent that is not essential', intent(INTENT, false)],
    ['an intent for userinfo only', { userinfo: intent().id_token }],
    ['no value', { id_token: { openbanking_intent_id: { essential: true } } }],
    ['values', { id_token: { openbanking_intent_id: { essential: true, values: [INTENT] } } }],
    ['a value that is no text', intent(7)],
    ['a long value', intent('x'.repeat(129))],
    ['markup', intent('<b>x</b>')],
  ])('refuses a request with %s', async (_title, claims) => {
    const { status, json } = await push('uk-open-banking', { claims });
    expect([status, json.error]).toEqual([400, 'invalid_request']);
    expect(json.error_description).toContain('ERR_CONSENT_REFERENCE');
  });

  it('takes the claims as text too', async () => {
    expect((await push('uk-open-banking', { claims: JSON.stringify(intent()) })).status).toBe(201);
  });

  it('is told by discovery', async () => {
    const { json } = await bench.tpp.browse(bench.to, '/.well-known/openid-configuration');
    expect(json.claims_supported).toEqual(expect.arrayContaining(['acr', 'openbanking_intent_id']));
    expect(json.acr_values_supported).toEqual(ACR_VALUES);
  });
});

describe('open-finance-brasil', () => {
  it('names the level of assurance in every ID token, and keeps its refresh tokens', async () => {
    reaches('urn:brasil:openbanking:loa2');
    const scope = `openid accounts consent:${BRASIL_CONSENT}`;
    const { tokens, front, back } = await flow('open-finance-brasil', { scope });
    expect([front.acr, back.acr]).toEqual(Array(2).fill('urn:brasil:openbanking:loa2'));
    expect(tokens.scope).toBe(scope);
    const refreshed = await bench.tpp.post(bench.to, '/token', {
      client_id: 'open-finance-brasil',
      grant_type: 'refresh_token',
      refresh_token: String(tokens.refresh_token),
    });
    expect(refreshed.status).toBe(200);
    expect(refreshed.json.refresh_token ?? tokens.refresh_token).toBe(tokens.refresh_token);
  });
});

describe('the registration of a market’s client', () => {
  const problemsOf = (settings: object): string => {
    try {
      parseConfig({ ...bench.bank.config, ...settings }, { source: 'test', folder: bench.bank.folder });
      return '';
    } catch (error) {
      if (!isRefusal(error, 'ERR_CONFIG_INVALID')) throw error;
      return error.details.problems.map(({ path, message }) => `${path}: ${message}`).join('\n');
    }
  };
  const client = (more: object) => ({
    client_id: 'x',
    client_name: 'X',
    authorization_number: 'PSDGB-FCA-900003',
    token_endpoint_auth_method: 'tls_client_auth',
    redirect_uris: ['https://tpp.example/cb'],
    grant_types: ['authorization_code'],
    scope: 'openid accounts',
    ...more,
  });

  it('needs an acr that the bank can reach', () => {
    expect(problemsOf({ profiles: { default: 'uk-open-banking' }, clients: [] })).toContain(
      'acrValues: needs urn:openbanking:psd2:sca or urn:openbanking:psd2:ca for uk-open-banking',
    );
    const clients = [client({ default_acr_values: ['urn:other'] })];
    expect(problemsOf({ clients, acrValues: ACR_VALUES })).toContain('not in acrValues: urn:other');
  });

  it('has the algorithms and the ways of its market only', async () => {
    const { jwk } = await clientKey('ES256', 'ec');
    const brasil = problemsOf({
      profiles: { default: 'open-finance-brasil' },
      acrValues: ACR_VALUES,
      clients: [client({ jwks: { keys: [jwk] } })],
    });
    expect(brasil).toContain('open-finance-brasil allows PS256');
    const cdr = problemsOf({
      profiles: { default: 'cdr-au' },
      acrValues: ['urn:cds.au:cdr:2'],
      clients: [client({ response_types: ['code id_token'], jwks: { keys: [jwk] } })],
    });
    expect(cdr).toContain('cdr-au allows private_key_jwt');
    expect(cdr).toContain('cdr-au allows code');
  });
});

describe('default_acr_values (OpenID Connect Registration §2)', () => {
  it('are the wishes of a request that has none', async () => {
    const wishes: (readonly string[])[] = [];
    bench.current = {
      answerAuthentication: async (_state, _values, { request }) => {
        wishes.push(request.acrValues);
        return { type: 'authenticated', psuId: 'psu-6f1c2a', amr: ['pwd'], acr: 'urn:openbanking:psd2:sca' };
      },
    };
    const acrOf = async (more: Record<string, string>) => {
      const { json } = await bench.tpp.post(bench.to, '/par', {
        client_id: 'wishing',
        response_type: 'code',
        redirect_uri: 'https://tpp.example/cb',
        scope: 'openid accounts',
        code_challenge: createHash('sha256').update(VERIFIER).digest('base64url'),
        code_challenge_method: 'S256',
        ...more,
      });
      const customer = await Customer.at(bench, 'wishing', String(json.request_uri));
      await customer.send({ username: 'ann', password: 'x' });
      const [, account = ''] = /name="account" value="([^"]*)"/.exec(customer.page.text) ?? [];
      await customer.send({ account }, 'approve');
      const { json: tokens } = await bench.tpp.post(bench.to, '/token', {
        client_id: 'wishing',
        grant_type: 'authorization_code',
        code: customer.atTpp.code ?? '',
        redirect_uri: 'https://tpp.example/cb',
        code_verifier: VERIFIER,
      });
      return claimsOf(String(tokens.id_token)).acr;
    };
    expect(await acrOf({})).toBe('urn:openbanking:psd2:sca');
    await acrOf({ acr_values: 'urn:openbanking:psd2:ca' });
    expect(wishes).toEqual([['urn:openbanking:psd2:sca'], ['urn:openbanking:psd2:ca']]);
  });
});
