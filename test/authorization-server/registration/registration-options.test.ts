import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { join } from 'node:path';
import type { EventFields } from '../../../src/events.ts';
import { parseConfig, type RunningServer, startServer } from '../../../src/index.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { freePort } from '../../free-port.ts';
import { sandboxConfiguration } from '../../../src/sandbox/sandbox-configuration.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { changeable, GOOD, RegisteringTpp } from './registering.ts';

let sandbox: TestSandbox;
/** Another server of the same bank, with a store of its own. */
let bank: Pick<TestSandbox, 'send' | 'description'> & {
  readonly server: RunningServer;
  readonly events: [string, EventFields | undefined][];
};
beforeAll(async () => {
  sandbox = await startTestSandbox();
});
afterAll(() => sandbox.stop());
afterEach(() => bank.server.close());

async function start(registration: object): Promise<RegisteringTpp> {
  const { folder, description: own } = sandbox;
  const [front, mtls] = [await freePort(), await freePort()];
  const description = { ...own, issuer: `https://localhost:${front}`, mtlsUrl: `https://localhost:${mtls}` };
  const value = {
    ...(await sandboxConfiguration(folder, description)),
    storage: { file: join(folder, `${mtls}.sqlite`), secretFile: join(folder, `${mtls}.secret`) },
    registration: { profiles: [{ profile: 'certificate' }], ...registration },
  };
  const events: typeof bank.events = [];
  const server = await startServer(parseConfig(value, { source: folder, folder }), {
    aspsp: demoAspsp(),
    log: { emit: (name, fields) => void events.push([name, fields]) },
  });
  bank = { send: sandbox.send, description, server, events };
  return new RegisteringTpp(bank);
}

const discovery = async () =>
  (await bank.send(`${bank.description.issuer}/.well-known/openid-configuration`)).json;

describe('registration', () => {
  it('is off until the configuration names a statement profile', async () => {
    const tpp = await start({ profiles: [] });
    expect((await tpp.register()).status).toBe(404);
    const metadata = await discovery();
    expect(metadata.registration_endpoint).toBeUndefined();
    expect(metadata.mtls_endpoint_aliases).not.toHaveProperty('registration_endpoint');
  });

  it('is on the mTLS listener only, for a TPP that may act now', async () => {
    const tpp = await start({});
    const { issuer, mtlsUrl } = bank.description;
    expect((await discovery()).registration_endpoint).toBe(`${mtlsUrl}/register`);
    const body = JSON.stringify(GOOD);
    const headers = { 'content-type': 'application/json' };
    const front = await bank.send(`${issuer}/register`, { method: 'POST', headers, body });
    expect([front.status, front.text]).toEqual([404, expect.stringContaining('other listener')]);
    const naked = await bank.send(`${mtlsUrl}/register`, { method: 'POST', headers, body });
    expect([naked.status, naked.text]).toEqual([400, expect.stringContaining('ERR_CERT_MISSING')]);
    const withdrawn = await new RegisteringTpp(bank, 'gone-fintech').register();
    expect([withdrawn.status, withdrawn.text]).toEqual([
      400,
      expect.stringContaining('ERR_TPP_NOT_AUTHORIZED'),
    ]);
    for (const method of ['GET', 'DELETE'])
      expect((await bank.send(`${mtlsUrl}/register`, { method, certificate: tpp.certificate })).status).toBe(
        405,
      );
  });

  it('has a quota of clients for each TPP, also for requests at the same moment', async () => {
    const tpp = await start({ quotas: { clients: 3, requestsPerHour: 1000 } });
    const first = await tpp.register();
    expect(first.status).toBe(201);
    const burst = await Promise.all(Array.from({ length: 12 }, () => tpp.register()));
    const own = { authorizationNumber: 'PSDGB-FCA-900003' };
    const stored = async () => (await bank.server.clients.page(own, { limit: 100 })).clients.length;
    const made = burst.filter(({ status }) => status === 201);
    expect(await stored()).toBe(1 + made.length);
    expect(await stored()).toBeLessThanOrEqual(3);
    for (const { status, json } of burst.filter((one) => one.status !== 201))
      expect([status, json.error]).toEqual([403, 'access_denied']);
    for (let more = await stored(); more < 3; more += 1) expect((await tpp.register()).status).toBe(201);
    expect((await tpp.register()).status).toBe(403);
    // Another TPP has its own, and a deletion makes room.
    const other = new RegisteringTpp(bank, 'money-two');
    expect((await other.register({ redirect_uris: ['https://two.tpp.example/cb'] })).status).toBe(201);
    await tpp.manage('DELETE', first);
    expect((await tpp.register()).status).toBe(201);
  });

  it('has a quota of requests an hour for each TPP, whatever they ask', async () => {
    const tpp = await start({ quotas: { clients: 10, requestsPerHour: 3 } });
    const registered = await tpp.register();
    await tpp.register('{');
    await tpp.manage('GET', registered);
    const refused = await tpp.manage('GET', registered);
    expect([refused.status, Number(refused.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect((await new RegisteringTpp(bank, 'money-two').register('{')).status).toBe(400);
  });

  it('waits for the bank where the bank wants that, and the bank may stop the client again', async () => {
    const tpp = await start({ approval: 'manual' });
    const registered = await tpp.register();
    const clientId = String(registered.json.client_id);
    expect([registered.status, registered.json.registration_status]).toEqual([201, 'awaiting-approval']);
    const { clients } = bank.server;
    const refused = await tpp.token(clientId);
    expect([refused.status, refused.json.error]).toEqual([400, 'invalid_client']);
    expect(refused.text).toContain('ERR_CLIENT_NOT_ACTIVE');
    // To another TPP the client is unknown.
    expect((await new RegisteringTpp(bank, 'money-two').token(clientId)).text).not.toContain('NOT_ACTIVE');
    expect((await tpp.manage('GET', registered)).status).toBe(200);
    const waiting = await clients.page({ status: 'awaiting-approval' }, { limit: 10 });
    expect(waiting.clients.map(({ client }) => client.client_id)).toEqual([clientId]);
    expect(bank.events.filter(([name]) => name === 'registration.awaiting')).toEqual([
      ['registration.awaiting', expect.objectContaining({ clientId })],
    ]);

    await clients.approve(clientId);
    expect((await clients.page({ status: 'awaiting-approval' }, { limit: 10 })).clients).toEqual([]);
    expect((await tpp.token(clientId)).status).toBe(200);
    await clients.disable(clientId);
    expect((await tpp.token(clientId)).text).toContain('ERR_CLIENT_NOT_ACTIVE');
    // The TPP cannot enable it.
    const put = await tpp.manage('PUT', registered, { body: changeable(registered) });
    expect([put.status, put.json.registration_status]).toEqual([200, 'disabled']);
    await clients.enable(clientId);
    expect((await tpp.token(clientId)).status).toBe(200);
    await expect(clients.approve('nobody')).rejects.toMatchObject({ code: 'ERR_CLIENT_REGISTRATION' });
  });

  it('rotates its access tokens by option, and an answer that is lost locks no TPP out (RFC 7592 §5)', async () => {
    const tpp = await start({ accessTokenRotation: true });
    const registered = await tpp.register();
    const first = registered.json.registration_access_token;
    const lost = (await tpp.manage('GET', registered)).json.registration_access_token;
    const again = await tpp.manage('PUT', registered, { body: changeable(registered), token: first });
    const second = again.json.registration_access_token;
    expect(new Set([first, lost, second]).size).toBe(3);
    expect((await tpp.manage('GET', registered, { token: lost })).status).toBe(401);
    const third = (await tpp.manage('GET', registered, { token: second })).json.registration_access_token;
    // The first ended when its successor was used.
    expect((await tpp.manage('GET', registered, { token: first })).status).toBe(401);
    expect((await tpp.manage('DELETE', registered, { token: third })).status).toBe(204);
  });

  it('limits redirect URIs to the names of the certificate by option', async () => {
    const tpp = await start({ redirectHosts: 'certificate' });
    const refused = await tpp.register();
    expect(refused.json.error_description).toContain('subjectAltName');
    const good = await tpp.register({ ...GOOD, redirect_uris: ['https://money-one.tpp.example/cb'] });
    expect(good.status).toBe(201);
  });

  it('is over with the first step of its deletion, which can be repeated when it broke off', async () => {
    const tpp = await start({});
    const registered = await tpp.register();
    const clientId = String(registered.json.client_id);
    const { clients } = bank.server;
    let attempts = 0;
    (clients as unknown as { endWith(ender: () => Promise<void>): void }).endWith(async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('the process is killed here');
    });
    expect((await tpp.manage('DELETE', registered)).status).toBe(500);
    // From the first step on there is no client.
    expect((await tpp.token(clientId)).json.error).toBe('invalid_client');
    expect((await tpp.manage('GET', registered)).status).toBe(401);
    const put = await tpp.manage('PUT', registered, { body: changeable(registered) });
    expect(put.status).toBe(401);
    expect((await clients.findRecord(clientId))?.status).toBe('ending');
    await expect(clients.enable(clientId)).rejects.toMatchObject({ code: 'ERR_CLIENT_REGISTRATION' });
    // The TPP may repeat it.
    expect((await tpp.manage('DELETE', registered)).status).toBe(204);
    expect(await clients.findRecord(clientId)).toBeUndefined();
  });
});
