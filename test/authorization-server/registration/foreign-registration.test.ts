import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import * as oauth from 'openid-client';
import { Agent, fetch } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { walkPages } from '../../../src/sandbox/demo/demo-browser.ts';
import { connectTpp, type DemoTpp } from '../../../src/sandbox/demo/demo-tpp.ts';
import { DEMO_REDIRECT_URI } from '../../../src/sandbox/folder.ts';
import type { Store } from '../../../src/storage/store.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from '../../storage/redis/redis-servers.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { RegisteringTpp } from './registering.ts';

let redis: RedisProcess | undefined;
const STORES: readonly [name: string, open: () => Promise<Store | undefined>, isThere: boolean][] = [
  ['SQLite', async () => undefined, true],
  [
    'Redis',
    async () => {
      redis = await startRedis();
      return openStore(redisSettings({ url: `redis://127.0.0.1:${redis.port}` }));
    },
    hasRedis,
  ],
];

describe.each(STORES.filter(([, , isThere]) => isThere))('on %s', (_name, open) => {
  let sandbox: TestSandbox;
  let agent: Agent;
  beforeAll(async () => {
    const store = await open();
    sandbox = await startTestSandbox(store === undefined ? {} : { store });
    const tpp = tppNamed(sandbox.description, 'money-one');
    const [ca, cert, key] = await Promise.all(
      [sandbox.description.caFile, tpp.certificateFile, tpp.keyFile].map((file) => readFile(file, 'utf8')),
    );
    agent = new Agent({ connect: { ca, cert, key } });
  });
  afterAll(async () => {
    await agent.destroy();
    await sandbox.stop();
    await redis?.kill();
    redis = undefined;
  });

  const overTls = ((url: string, init: object) =>
    fetch(url, { ...init, dispatcher: agent })) as unknown as oauth.CustomFetch;

  async function consented(tpp: DemoTpp) {
    const verifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const url = await oauth.buildAuthorizationUrlWithPAR(tpp.config, {
      redirect_uri: DEMO_REDIRECT_URI,
      scope: 'openid accounts',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
    });
    const [customer] = sandbox.description.customers;
    if (customer === undefined) throw new Error('no customer');
    const callback = await walkPages(url, {
      caFile: sandbox.description.caFile,
      answer: { decision: 'allow', ...customer },
    });
    return oauth.authorizationCodeGrant(tpp.config, callback, {
      pkceCodeVerifier: verifier,
      expectedState: state,
    });
  }

  it('openid-client registers a client and uses it; its deletion ends grants, tokens and consents (RFC 7592 §2.3)', async () => {
    const config = await oauth.dynamicClientRegistration(
      new URL(sandbox.description.issuer),
      {
        redirect_uris: [DEMO_REDIRECT_URI],
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        response_types: ['code'],
        token_endpoint_auth_method: 'tls_client_auth',
        scope: 'openid accounts',
      },
      oauth.TlsClientAuth(),
      { [oauth.customFetch]: overTls },
    );
    const registered = { json: { ...config.clientMetadata() } };
    const { client_id: clientId } = config.clientMetadata();
    expect(registered.json.registration_access_token).toMatch(/^[\w-]{43}$/);
    const tpp = await connectTpp({
      description: sandbox.description,
      tpp: tppNamed(sandbox.description, 'money-one'),
      clientId,
    });
    const tokens = await consented(tpp);
    const { access_token: access, refresh_token: refresh = '' } = tokens;
    const own = await oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' });
    expect((await tpp.call('/accounts', access)).status).toBe(200);
    const page = await sandbox.server.consents.pageOfClient(clientId, { limit: 10 });
    expect(page.consents.map(({ status }) => status)).toEqual(['authorised']);

    const manager = new RegisteringTpp(sandbox);
    expect((await manager.manage('DELETE', registered)).status).toBe(204);
    await expect
      .poll(async () => (await tpp.call('/accounts', access)).status, { timeout: 10_000 })
      .toBe(401);
    await expect
      .poll(async () => (await tpp.call('/accounts', own.access_token)).status, { timeout: 10_000 })
      .toBe(401);
    await expect(oauth.refreshTokenGrant(tpp.config, refresh)).rejects.toMatchObject({
      error: 'invalid_client',
    });
    await expect(oauth.clientCredentialsGrant(tpp.config, { scope: 'accounts' })).rejects.toMatchObject({
      error: 'invalid_client',
    });
    const ended = await sandbox.server.consents.pageOfClient(clientId, { limit: 10 });
    expect(ended.consents.map(({ status }) => status)).toEqual(['revoked']);
    expect(await sandbox.server.clients.findRecord(clientId)).toBeUndefined();
    await tpp.close();
  }, 60_000);

  it('curl registers, reads and deletes with certificate and token', async () => {
    const { certificateFile, keyFile } = tppNamed(sandbox.description, 'money-one');
    const curl = async (...words: string[]) => {
      const { stdout } = await promisify(execFile)('curl', [
        ...['--silent', '--cacert', sandbox.description.caFile],
        ...['--cert', certificateFile, '--key', keyFile, '--write-out', '\n%{http_code}'],
        ...words,
      ]);
      const [body = '', status] = stdout.split(/\n(?=\d{3}$)/);
      return { status: Number(status), json: body === '' ? {} : JSON.parse(body) };
    };
    const metadata = await curl(`${sandbox.description.mtlsUrl}/.well-known/oauth-authorization-server`);
    const { registration_endpoint: endpoint, mtls_endpoint_aliases: aliases } = metadata.json;
    expect(aliases.registration_endpoint).toBe(endpoint);
    const body = JSON.stringify({ redirect_uris: [DEMO_REDIRECT_URI], scope: 'openid accounts' });
    const made = await curl('--json', body, endpoint);
    expect([made.status, made.json.grant_types]).toEqual([201, ['authorization_code']]);
    const managed = ['--header', `Authorization: Bearer ${made.json.registration_access_token}`];
    const read = await curl(...managed, made.json.registration_client_uri);
    expect([read.status, read.json.client_id]).toEqual([200, made.json.client_id]);
    expect((await curl(...managed, '--request', 'DELETE', made.json.registration_client_uri)).status).toBe(
      204,
    );
    expect((await curl(...managed, made.json.registration_client_uri)).status).toBe(401);
  });
});
