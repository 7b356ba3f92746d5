import type { Context } from 'koa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redirectUrisOf, suiteConfiguration } from '../../conformance/configuration.ts';
import { PASSWORD_STEP } from '../../src/authorization-server/customer/authentication.ts';
import { Pages } from '../../src/authorization-server/customer/pages/pages.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

describe('the configuration for the OpenID Foundation suite', () => {
  it('has two clients with different keys and certificates, and the ids that our pages have', async () => {
    const made = await suiteConfiguration(sandbox.description, { alias: 'x', method: 'private_key_jwt' });
    const { client, client2, mtls, mtls2 } = made as Record<
      string,
      { client_id?: string; jwks?: unknown; cert?: string }
    >;
    expect([client?.client_id, client2?.client_id]).toEqual(['money-one-jwt', 'money-two-jwt']);
    expect(client?.jwks).not.toEqual(client2?.jwks);
    expect(mtls?.cert).not.toBe(mtls2?.cert);
    const ids = ['username', 'password', 'login'];
    const ctx = { set() {}, body: '' };
    const tpp = { name: '', legalName: '', authorizationNumber: '', nca: '' };
    const view = { tpp, csrf: '', typed: {}, number: 0, step: PASSWORD_STEP };
    new Pages({ bankName: 'Bank' }).login(ctx as unknown as Context, view);
    for (const id of ids) {
      expect(JSON.stringify(made)).toContain(`"id","${id}"`);
      expect(ctx.body).toContain(`id="${id}"`);
    }
  });

  it('names both redirect URIs of an alias', () => {
    expect(redirectUrisOf(new URL('https://suite.example:8443'), 'a')).toEqual([
      'https://suite.example:8443/test/a/a/callback',
      'https://suite.example:8443/test/a/a/callback?dummy1=lorem&dummy2=ipsum',
    ]);
  });
});
