import * as oauth from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { RegisteringTpp } from './registering.ts';

/** Of Money Two: a file names it in its place. */
const FILED = 'PSDGB-FCA-900004';
let sandbox: TestSandbox;
beforeAll(async () => {
  sandbox = await startTestSandbox({
    amendConfiguration: (value) => ({
      ...value,
      registration: { onFirstSight: {} },
      // Those of the sandbox that have such a name already.
      clients: (value.clients as readonly { readonly client_id: string }[]).filter(
        ({ client_id: id }) => !id.startsWith('PSD') || id === FILED,
      ),
    }),
  });
});
afterAll(() => sandbox.stop());

const idOf = (tpp: string) => tppNamed(sandbox.description, tpp).organizationIdentifier;
const challenge = (verifier: string) => oauth.calculatePKCECodeChallenge(verifier);

async function pushed(tpp: string, clientId: string, redirectUri: string) {
  return sandbox.post(tpp, '/par', {
    client_id: clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid accounts',
    code_challenge: await challenge(oauth.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
  });
}

describe('a client on first sight', () => {
  it('is made of certificate and register, and goes the whole way (Berlin Group XS2A)', async () => {
    const clientId = idOf('money-one');
    const redirectUri = 'https://money-one.tpp.example/callback';
    const tpp = await connectTpp({
      description: sandbox.description,
      tpp: tppNamed(sandbox.description, 'money-one'),
      clientId,
    });
    const verifier = oauth.randomPKCECodeVerifier();
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: redirectUri,
      scope: 'openid accounts',
      code_challenge: await challenge(verifier),
      code_challenge_method: 'S256',
    });
    const [customer] = sandbox.description.customers;
    if (customer === undefined) throw new Error('no customer');
    const callback = await walkPages(url, {
      caFile: sandbox.description.caFile,
      answer: { decision: 'allow', ...customer },
    });
    const tokens = await oauth.authorizationCodeGrant(tpp.config, callback, { pkceCodeVerifier: verifier });
    expect((await tpp.call('/accounts', tokens.access_token)).status).toBe(200);
    const record = await sandbox.server.clients.findRecord(clientId);
    expect(record).toMatchObject({
      origin: 'first-sight',
      client: { client_id: clientId, redirect_uris: [redirectUri], authorization_number: clientId },
    });
    expect(await sandbox.events({ event: 'client.first_sight', clientId })).toHaveLength(1);
    await tpp.close();
  });

  it('is one for each TPP, however many requests come at once', async () => {
    const clientId = idOf('accounts-app');
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => new RegisteringTpp(sandbox, 'accounts-app').token(clientId)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(await sandbox.events({ event: 'client.first_sight', clientId })).toHaveLength(1);
  });

  it('is of the TPP of its name alone, and no TPP has the name of another (H6)', async () => {
    const foreign = await new RegisteringTpp(sandbox, 'accounts-app').token(idOf('pay-by-bank'));
    expect([foreign.status, foreign.json.error]).toEqual([400, 'invalid_client']);
    expect(await sandbox.server.clients.findRecord(idOf('pay-by-bank'))).toBeUndefined();
    const used = await new RegisteringTpp(sandbox, 'pay-by-bank').token(idOf('money-one'));
    expect(used.text).toContain('ERR_TPP_CLIENT_MISMATCH');
  });

  it('has redirect URIs of the hosts of the certificate only (H8)', async () => {
    const clientId = idOf('money-one');
    const [before] = [await sandbox.server.clients.findRecord(clientId)];
    for (const uri of [
      'https://evil.example/callback',
      'https://sub.money-one.tpp.example/callback',
      'https://money-one.tpp.example.evil.example/',
      'http://money-one.tpp.example/callback',
      'https://money-one.tpp.example@evil.example/',
      'https://money-one.tpp.example/#fragment',
      'https://localhost/callback',
    ]) {
      const refused = await pushed('money-one', clientId, uri);
      expect([uri, refused.status, refused.json.error]).toEqual([uri, 400, 'invalid_redirect_uri']);
    }
    expect(await sandbox.server.clients.findRecord(clientId)).toEqual(before);
    for (let at = 0; at < 25; at += 1) {
      expect((await pushed('money-one', clientId, `https://money-one.tpp.example/${at}`)).status).toBe(201);
    }
    const after = await sandbox.server.clients.findRecord(clientId);
    expect(after?.client.redirect_uris).toHaveLength(20);
    expect(after?.client.redirect_uris).toContain('https://money-one.tpp.example/24');
  });

  it('never comes back when the bank has ended it', async () => {
    const tpp = new RegisteringTpp(sandbox, 'accounts-app');
    const clientId = idOf('accounts-app');
    await sandbox.server.clients.end(clientId);
    const refused = await tpp.token(clientId);
    expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('has ended')]);
    expect(await sandbox.server.clients.findRecord(clientId)).toBeUndefined();
  });

  it('is not made where a file has its name: the file is what counts', async () => {
    const refused = await pushed('money-two', FILED, 'https://money-two.tpp.example/callback');
    expect([refused.status, refused.json.error]).toEqual([400, 'invalid_request']);
    expect(await sandbox.server.clients.findRecord(FILED)).toBeUndefined();
    expect((await sandbox.server.clients.find(FILED))?.client_id).toBe(FILED);
  });
});
