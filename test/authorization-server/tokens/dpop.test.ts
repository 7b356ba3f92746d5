import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';

describe('a client that is bound to a DPoP key, with openid-client (RFC 9449)', () => {
  let sandbox: TestSandbox;
  const open: DemoTpp[] = [];
  beforeAll(async () => {
    sandbox = await startTestSandbox({ certificatesDemanded: 'where-tokens-are-bound-to-one' });
  });
  afterAll(async () => {
    await Promise.all(open.map((tpp) => tpp.close()));
    await sandbox.stop();
  });

  async function connect(clientId: string, options: { readonly certificate?: 'none' } = {}) {
    const tpp = tppNamed(sandbox.description, 'money-one');
    const client = tpp.moreClients.find(({ client_id: id }) => id === clientId);
    if (client === undefined) throw new Error(clientId);
    const connected = await connectTpp({ description: sandbox.description, tpp, client, ...options });
    open.push(connected);
    return connected;
  }

  async function authorized(tpp: DemoTpp) {
    const verifier = oauth.randomPKCECodeVerifier();
    const [state, nonce] = [oauth.randomState(), oauth.randomNonce()];
    const url = await oauth.buildAuthorizationUrlWithPAR(
      tpp.config,
      {
        redirect_uri: DEMO_REDIRECT_URI,
        scope: 'openid accounts',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
      },
      tpp.binding,
    );
    const [customer] = sandbox.description.customers;
    if (customer === undefined) throw new Error('no customer');
    const callback = await walkPages(url, {
      caFile: sandbox.description.caFile,
      answer: { decision: 'allow', ...customer },
    });
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    return oauth.authorizationCodeGrant(tpp.config, callback, checks, {}, tpp.binding);
  }

  it.each([
    ['money-one-mtls-dpop', {}, ['jkt']],
    ['money-one-jwt-dpop', { certificate: 'none' }, ['jkt']],
    ['money-one-mtls-certificate-and-dpop', {}, ['jkt', 'x5t#S256']],
    ['money-one-jwt-certificate-and-dpop', {}, ['jkt', 'x5t#S256']],
  ] as const)(
    '%s gets tokens, refreshes them, and opens API and userinfo',
    async (clientId, options, members) => {
      const tpp = await connect(clientId, options);
      const tokens = await authorized(tpp);
      expect(tokens.token_type).toBe('dpop');
      const { cnf, sub } = decodeJwt<{ cnf: Record<string, string> }>(tokens.access_token);
      expect(Object.keys(cnf).toSorted()).toEqual(members);
      expect(cnf.jkt).toBe(await tpp.binding.DPoP?.calculateThumbprint());
      expect(await tpp.call('/accounts', tokens.access_token)).toMatchObject({ status: 200 });
      const about = await oauth.fetchUserInfo(tpp.config, tokens.access_token, String(sub), tpp.binding);
      expect(about).toEqual({ sub });
      // A new key is a confidential client's right (RFC 9449 §5).
      const renewed = await connect(clientId, options);
      const refreshed = await oauth.refreshTokenGrant(
        renewed.config,
        tokens.refresh_token ?? '',
        {},
        renewed.binding,
      );
      expect(await renewed.call('/accounts', refreshed.access_token)).toMatchObject({ status: 200 });
      expect(await tpp.call('/accounts', refreshed.access_token)).toMatchObject({ status: 401 });
    },
  );
});
