import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { canonicalHash } from '../../../src/consent/details/canonical-hash.ts';
import { silentLog } from '../../../src/events.ts';
import { type Authorizer, createAuthorizer, paymentHashOf } from '../../../src/resource-server/index.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { type RunningServer, startServer } from '../../../src/server/server.ts';
import type { Store } from '../../../src/storage/store.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { hasRedis, type RedisProcess, startRedis } from '../../storage/redis/redis-servers.ts';
import { allowAccess } from './allowed-access.ts';

const SIGNED = 'application/consent-information+jwt';
const PAYMENT = {
  type: 'payment_initiation',
  actions: ['initiate', 'status'],
  instructedAmount: { currency: 'EUR', amount: '12.50' },
  creditorName: 'Corner Grocery',
  creditorAccount: { iban: 'DE02100100109307118603' },
};
const ACCESS = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
  permissions: ['ReadAccountsBasic', 'ReadBalances'],
};

describe.each(['sqlite', 'redis'] as const)('consent information for APIs, on %s', (kind) => {
  let bank: TestBank;
  let redis: RedisProcess | undefined;
  let settings: ReturnType<typeof redisSettings> | undefined;
  let server: RunningServer;
  /** Ends consents: another process's server, where the store can have two. */
  let other: RunningServer;
  let caller: ReturnType<typeof createCaller>;
  let endpoint: string;
  const stores: Store[] = [];
  const authorizers: Authorizer[] = [];

  const start = async (listen?: object): Promise<RunningServer> => {
    const store = settings && (await openStore(settings));
    if (store !== undefined) stores.push(store);
    const value = { ...bank.config, ...(listen && { listen }) };
    const config = parseConfig(value, { source: 'test', folder: bank.folder });
    return startServer(config, { aspsp: demoAspsp(), log: silentLog, ...(store && { store }) });
  };
  beforeAll(async () => {
    if (kind === 'redis' && !hasRedis) return;
    bank = await createTestBank({ format: 'jwt' });
    redis = kind === 'redis' ? await startRedis() : undefined;
    settings = redis && redisSettings({ url: `redis://127.0.0.1:${redis.port}` });
    server = await start();
    other = redis === undefined ? server : await start({ host: '127.0.0.1', front: 0, mtls: 0, health: 0 });
    caller = createCaller(bank.description);
    endpoint = `${bank.description.mtlsUrl}/consent-information/`;
  });
  afterAll(async () => {
    if (kind === 'redis' && !hasRedis) return;
    await Promise.all(authorizers.map((one) => one.close()));
    await caller.close();
    await server.close();
    if (other !== server) await other.close();
    await redis?.kill();
    await bank.remove();
  });

  const ask = (
    consentId: string,
    headers: Record<string, string> = {},
    api: keyof TestBank['apis'] = 'accounts',
  ) => caller.send(`${endpoint}${consentId}`, { certificate: bank.apis[api], headers });
  /** A consent that waits for its customer. */
  const asked = (details: readonly { readonly type: string }[], consentId?: string) =>
    server.consents.create({
      consentId,
      reference: 'berlin-group',
      clientId: 'money-one-mtls',
      authorizationNumber: 'PSDGB-FCA-900001',
      details: details as never,
      expiresAt: new Date(Date.now() + 3_600_000),
      by: { kind: 'tpp' },
    });
  const allowed = () => allowAccess(bank.description, 'acc-1001');
  const authorizerOf = async (more: object = {}): Promise<Authorizer> => {
    const { certificateFile, keyFile } = bank.apis.accounts;
    const made = createAuthorizer({
      issuer: bank.description.issuer,
      audience: bank.description.resourceUrl,
      caPem: await readFile(bank.description.caFile, 'utf8'),
      consents: {
        endpoint,
        clientId: 'accounts-api',
        certificatePem: await readFile(certificateFile, 'utf8'),
        privateKeyPem: await readFile(keyFile, 'utf8'),
        ...more,
      },
    });
    authorizers.push(made);
    return made;
  };
  const authorized = (token: string) => {
    const { client_id: clientId, sub: subject, consent_id: consentId } = decodeJwt(token);
    return { clientId, subject, consentId } as Parameters<Authorizer['consentOf']>[0];
  };

  describe.skipIf(kind === 'redis' && !hasRedis)('over mTLS', () => {
    it('has the status, the client, the accounts and the end of a consent', async () => {
      const { consentId } = await allowed();
      const answer = await ask(consentId);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('cache-control')).toBe('private, max-age=2');
      expect(answer.json).toEqual({
        consentId,
        status: 'authorised',
        clientId: 'money-one-mtls',
        authorizationNumber: tppNamed(bank.description, 'money-one').organizationIdentifier,
        subject: 'psu-6f1c2a',
        scopes: expect.arrayContaining(['accounts']),
        accountIds: ['acc-1001'],
        actions: [],
        permissions: [],
        details: [],
        paymentHashes: [],
        contentHash: expect.stringMatching(/^[\w-]{43}$/),
        expiresAt: (await server.consents.find(consentId))?.expiresAt.toISOString(),
      });
    });

    it('has permissions and payments of a consent that no customer has seen, and no customer', async () => {
      const { consentId } = await asked([ACCESS, PAYMENT]);
      const { json } = await ask(consentId);
      expect(json).toMatchObject({
        status: 'awaiting-authorisation',
        actions: ['list_accounts', 'read_balances', 'initiate', 'status'],
        permissions: ACCESS.permissions,
        details: [ACCESS, PAYMENT],
        paymentHashes: [paymentHashOf(PAYMENT)],
        contentHash: canonicalHash({ clientId: 'money-one-mtls', details: [ACCESS, PAYMENT] }),
        accountIds: [],
      });
      expect(json).not.toHaveProperty('subject');
      await server.consents.revoke(consentId);
      expect((await ask(consentId)).json.status).toBe('revoked');
    });

    it('is asked again by its entity tag, which changes with the consent', async () => {
      const { consentId } = await asked([ACCESS]);
      const first = await ask(consentId);
      const etag = first.headers.get('etag') ?? '';
      const again = await ask(consentId, { 'if-none-match': etag });
      expect([again.status, again.text]).toEqual([304, '']);
      await other.consents.revoke(consentId);
      const changed = await ask(consentId, { 'if-none-match': etag });
      expect([changed.status, changed.json.status]).toEqual([200, 'revoked']);
    });

    it('is signed for the API that wants it so, and can pass for no token', async () => {
      const { consentId } = await asked([PAYMENT]);
      const { text, headers } = await ask(`${consentId}?client_id=accounts-api`, { accept: SIGNED });
      expect([headers.get('content-type'), headers.get('cache-control')]).toEqual([SIGNED, 'no-store']);
      expect(decodeProtectedHeader(text)).toMatchObject({ typ: 'consent-information+jwt', alg: 'ES256' });
      const keys = JSON.parse((await caller.send(`${bank.description.issuer}/jwks`)).text);
      const rules = { issuer: bank.description.issuer, audience: 'accounts-api' };
      const { payload } = await jwtVerify(text, createLocalJWKSet(keys), rules);
      expect(Object.keys(payload).sort()).toEqual(['aud', 'consent_information', 'iat', 'iss']);
      expect(payload.consent_information).toEqual((await ask(consentId)).json);
    });

    it('is not found for an unknown consent, and in the same way for an API of another audience (L1)', async () => {
      const { consentId } = await asked([ACCESS]);
      const foreign = await ask(consentId, {}, 'other');
      const unknown = await ask('x'.repeat(consentId.length));
      expect([foreign.status, unknown.status]).toEqual([404, 404]);
      expect(foreign.text.replace(consentId, '')).toBe(unknown.text.replace(/x{9,}/, ''));
      for (const wrong of ['x'.repeat(200), '%E0%A4%A', 'a%2Fb', '%00', 'a~b']) {
        expect((await ask(wrong)).status).toBe(404);
      }
      await asked([ACCESS], 'urn:bank:1');
      for (const written of ['urn:bank:1', 'urn%3Abank%3A1']) {
        expect((await ask(written)).json.consentId).toBe('urn:bank:1');
      }
    });

    it('is given to nobody else', async () => {
      const { consentId } = await asked([ACCESS]);
      const url = `${endpoint}${consentId}`;
      const strangers = [bank.apis.stranger, bank.apis.impostor, tppNamed(bank.description, 'money-one')];
      for (const certificate of strangers) {
        const answer = await caller.send(url, { certificate });
        expect([answer.status, answer.json.error]).toEqual([400, 'invalid_client']);
      }
      expect((await caller.send(url)).json.error).toBe('invalid_client');
      expect((await ask(`${consentId}?client_id=other-api`)).json.error).toBe('invalid_client');
      expect((await caller.send(`${bank.description.issuer}/consent-information/${consentId}`)).status).toBe(
        404,
      );
      const form = await caller.send(url, { certificate: bank.apis.accounts, form: {} });
      expect(form.status).toBe(405);
    });

    it('is in introspection answers too, and a token whose consent has ended is not active', async () => {
      const { token, consentId } = await allowed();
      const introspect = async () =>
        (
          await caller.send(`${bank.description.mtlsUrl}/introspect`, {
            certificate: bank.apis.accounts,
            form: { client_id: 'accounts-api', token },
          })
        ).json;
      expect((await introspect()).consent).toEqual((await ask(consentId)).json);
      await other.consents.revoke(consentId);
      await vi.waitFor(async () => expect(await introspect()).toEqual({ active: false }), { timeout: 5000 });
    });

    it.each(['signed', 'plain'] as const)(
      'ends at an API within five seconds (K16): %s',
      async (response) => {
        const { token, consentId } = await allowed();
        const { consentOf } = await authorizerOf({ response });
        expect((await consentOf(authorized(token))).accountIds).toEqual(['acc-1001']);
        await other.consents.revoke(consentId);
        const code = () =>
          consentOf(authorized(token)).then(
            () => 'served',
            (error) => error.code,
          );
        await vi.waitFor(async () => expect(await code()).toBe('ERR_CONSENT_INACTIVE'), { timeout: 5000 });
      },
    );

    it('counts as a use of the consent, for the customer', async () => {
      const { consentId } = await asked([ACCESS]);
      await ask(consentId);
      if (stores[0] === undefined) return;
      const [store] = stores;
      await vi.waitFor(async () => expect(await store.find('ConsentUse', consentId)).toBeDefined());
    });
  });
});
