import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../src/sandbox/demo/demo-browser.ts';
import { connectTpp } from '../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../src/sandbox/folder.ts';
import { allowAccess } from '../authorization-server/consent-information/allowed-access.ts';
import { startTestSandbox, type TestSandbox } from '../authorization-server/running-sandbox.ts';

let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());

describe('the demo bank', () => {
  it.each([
    ['an unknown address', 'GET', '/nothing', 404],
    ['the wrong method', 'PUT', '/payments', 405],
    ['an unknown method', 'PATCH', '/nothing', 404],
  ])('answers %s with its status', async (_title, method, path, status) => {
    const certificate = tppNamed(sandbox.description, 'money-one');
    const answer = await sandbox.send(`${sandbox.description.resourceUrl}${path}`, { method, certificate });
    expect(answer.status).toBe(status);
    expect(answer.json.error).toMatch(/^[a-z_]+$/);
  });

  it.skipIf(spawnSync('curl', ['--version']).status !== 0)(
    'answers the curl line of docs/api-consents.md',
    async () => {
      const { description, folder, server } = sandbox;
      const page = readFileSync(new URL('../../docs/api-consents.md', import.meta.url), 'utf8');
      const line = /^curl .*$/m.exec(page)?.[0].replaceAll('.tallystick/', `${folder}/`) ?? '';
      const { consentId } = await server.consents.create({
        reference: 'berlin-group',
        clientId: 'money-one-mtls',
        authorizationNumber: tppNamed(description, 'money-one').organizationIdentifier,
        details: [],
        expiresAt: new Date('2099-01-01'),
        by: { kind: 'bank' },
      });
      const env = { ...process.env, MTLS_URL: description.mtlsUrl, CONSENT_ID: consentId };
      const { stdout } = await promisify(execFile)('sh', ['-c', line], { env });
      expect(JSON.parse(stdout)).toMatchObject({ consentId, status: 'awaiting-authorisation' });
    },
  );

  it('refuses an account that the customer did not choose (PSD2 article 67(2)(d))', async () => {
    const { description } = sandbox;
    const { token } = await allowAccess(description, 'acc-1001');
    const tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    expect((await tpp.call('/accounts/acc-1001/balances', token)).status).toBe(200);
    const { status, body } = await tpp.call('/accounts/acc-1002/balances', token);
    expect([status, body.error_description]).toEqual([403, expect.stringContaining('ERR_CONSENT_ACCOUNT')]);
    await tpp.close();
  });

  it('refuses a token in the first request after its code was used twice (J2, RFC 6749 §4.1.2)', async () => {
    const { description } = sandbox;
    const tpp = await connectTpp({ description, tpp: tppNamed(description, 'money-one') });
    const [customer] = description.customers;
    if (customer === undefined) throw new Error('no customer');
    for (let round = 0; round < 3; round += 1) {
      const verifier = oauth.randomPKCECodeVerifier();
      const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
        redirect_uri: DEMO_REDIRECT_URI,
        scope: 'openid accounts',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
      const answer = { decision: 'allow', ...customer } as const;
      const callback = await walkPages(url, { caFile: description.caFile, answer });
      const redeem = () => oauth.authorizationCodeGrant(tpp.config, callback, { pkceCodeVerifier: verifier });
      const { access_token: token } = await redeem();
      expect((await tpp.call('/accounts', token)).status).toBe(200);
      await expect(redeem()).rejects.toMatchObject({ error: 'invalid_grant' });
      const { status, body } = await tpp.call('/accounts', token);
      expect([status, body.error]).toEqual([401, 'invalid_token']);
      expect(body.error_description).toContain('ERR_TOKEN_REVOKED');
    }
    await tpp.close();
  });
});
