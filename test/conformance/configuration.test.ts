import type { Context } from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClientKey } from '../../conformance/client-keys.ts';
import { COMBINATIONS, chosenCombinations, type Combination } from '../../conformance/combinations.ts';
import { suiteConfiguration } from '../../conformance/configuration.ts';
import { clientsOf } from '../../conformance/registrations.ts';
import { PASSWORD_STEP } from '../../src/authorization-server/customer/authentication/bank-steps.ts';
import { Pages } from '../../src/authorization-server/customer/pages/pages.ts';
import { PROFILES } from '../../src/authorization-server/profiles/profiles.ts';
import { clientSchema, findRuleProblems } from '../../src/authorization-server/clients/client-schema.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

const suite = new URL('https://suite.example:8443');
const keys = await Promise.all([createClientKey('PS256'), createClientKey('ES256')]);
let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

const named = (name: string): Combination => {
  const [found] = chosenCombinations([name]);
  if (found === undefined) throw new Error(name);
  return found;
};
const clientsFor = (combination: Combination) =>
  clientsOf(combination, { sandbox: sandbox.description, keys, suite, alias: 'a' });
const configured = async (name: string) => {
  const combination = named(name);
  return (await suiteConfiguration(combination, {
    sandbox: sandbox.description,
    clients: clientsFor(combination),
    customer: { username: 'alice', password: 'x' },
    alias: 'a',
    suite: new URL('https://suite.example'),
  })) as Record<string, { client_id?: string; scope?: string; jwks?: unknown; cert?: string }>;
};

describe('the combinations', () => {
  it('are 43, each of another name and variant', () => {
    const distinct = (of: (one: Combination) => string) => new Set(COMBINATIONS.map(of)).size;
    expect(COMBINATIONS).toHaveLength(43);
    expect(distinct(({ name }) => name)).toBe(43);
    expect(distinct(({ plan, variant }) => plan + JSON.stringify(variant))).toBe(43);
  });

  it('are chosen by name or pattern, and a pattern that chooses none is an error', () => {
    expect(chosenCombinations([])).toEqual(COMBINATIONS);
    expect(chosenCombinations(['sp-mtls-*-openid', 'ciba-jwt-ping']).map(({ name }) => name)).toEqual([
      'sp-mtls-mtls-openid',
      'sp-mtls-dpop-openid',
      'ciba-jwt-ping',
    ]);
    expect(() => chosenCombinations(['sp-*', 'pkce-*'])).toThrow(
      expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }),
    );
  });
});

describe('the clients of a combination', () => {
  it.each(COMBINATIONS.map(({ name }) => name))('of %s are two that the server accepts', (name) => {
    const [one, two] = clientsFor(named(name)).map(({ registration }) => registration);
    const rules = {
      apiScopes: ['accounts', 'payments'],
      profiles: PROFILES,
      deliveryModes: ['poll', 'ping'] as const,
    };
    for (const client of [one, two]) {
      expect(findRuleProblems(clientSchema.parse(client), rules)).toEqual([]);
    }
    expect(one?.client_id).not.toBe(two?.client_id);
    expect(one?.authorization_number).not.toBe(two?.authorization_number);
    expect(JSON.stringify([one, two])).not.toMatch(/"(d|p|q|dp|dq|qi)":/);
  });

  it('have both redirect URIs of the alias', () => {
    const [{ registration }] = clientsFor(named('sp-jwt-mtls-openid'));
    expect(registration.redirect_uris).toEqual([
      'https://suite.example:8443/test/a/a/callback',
      'https://suite.example:8443/test/a/a/callback?dummy1=lorem&dummy2=ipsum',
    ]);
  });
});

describe('the configuration for the OpenID Foundation suite', () => {
  it('has two clients with different private keys and certificates', async () => {
    const { client, client2, mtls, mtls2 } = await configured('sp-jwt-mtls-openid');
    expect([client?.client_id, client2?.client_id]).toEqual([
      'sp-jwt-mtls-openid-money-one',
      'sp-jwt-mtls-openid-money-two',
    ]);
    expect(client?.jwks).toEqual({ keys: [keys[0]?.privateJwk] });
    expect(client2?.jwks).toEqual({ keys: [keys[1]?.privateJwk] });
    expect(mtls?.cert).not.toBe(mtls2?.cert);
  });

  it('has no certificates where nothing is bound to one, and no openid in plain OAuth', async () => {
    expect(await configured('sp-jwt-dpop-openid')).not.toHaveProperty('mtls');
    expect(await configured('sp-mtls-dpop-oauth')).toHaveProperty('mtls2');
    const { client } = await configured('sp-mtls-mtls-oauth');
    expect(client?.scope?.split(' ')).not.toContain('openid');
  });

  it('walks by the ids that our pages have', async () => {
    const made = JSON.stringify(await configured('sp-mtls-mtls-openid'));
    const ctx = { set() {}, get: () => '', state: {}, query: {}, body: '' };
    const tpp = { name: '', legalName: '', authorizationNumber: '', nca: '' };
    const view = { tpp, csrf: '', typed: {}, number: 0, step: PASSWORD_STEP, details: [] };
    new Pages({ bankName: 'Bank' }).login(ctx as unknown as Context, view);
    for (const id of ['username', 'password', 'login', 'cancel']) {
      expect(made).toContain(`"id","${id}"`);
      expect(ctx.body).toContain(`id="${id}"`);
    }
  });
});
