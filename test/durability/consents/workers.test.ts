import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CIBA_GRANT } from '../../../src/authorization-server/clients/registered-client.ts';
import { CibaTpp } from '../../authorization-server/ciba/ciba-tpp.ts';
import { type BankPrograms, createBankPrograms } from '../../authorization-server/bank-api/bank-programs.ts';
import { freePort } from '../../free-port.ts';
import { type ServeProcess, startServe } from '../../server/serve-process.ts';
import { type OpenedStorage, SHARED_STORES } from '../../storage/shared-stores.ts';
import { type Bank, openBank } from '../bank.ts';
import { type Answer, claimsOf, Tpp } from '../tpp.ts';

const CUSTOMERS = pathToFileURL(
  fileURLToPath(new URL('../../../src/sandbox/bank/customers.ts', import.meta.url)),
).href;
/** The demo bank; each of its two calls for CIBA writes the process in which it runs into a file. */
const MODULE = `
import { appendFileSync } from 'node:fs';
import { demoAspsp } from '${CUSTOMERS}';
const note = (call) => appendFileSync(new URL('./calls.txt', import.meta.url), call + ' ' + process.pid + '\\n');
const bank = demoAspsp();
export const createAspsp = async () => ({
  ...bank,
  listAccounts: async (...given) => { note('listAccounts'); return bank.listAccounts(...given); },
  decoupled: { ...bank.decoupled, startApproval: async () => note('startApproval') },
});`;
const PINGED = 'money-one-mtls-pinged';
const POLLING = 'money-one-mtls-ciba-poll';
const TOKEN = 'n'.repeat(43);
/** Connections at once, which the workers have in turn. */
const CONNECTIONS = 6;
/** Of rounds until a question and its answer were at two workers. */
const MAX_ROUNDS = 20;
/** For a test machine that does other things too. */
const SLACK_MILLISECONDS = 5000;
const IS_LINUX = process.platform === 'linux';

interface Ping {
  readonly authorization: string | undefined;
  readonly authReqId: string;
}

describe.each(SHARED_STORES)('two workers on $name', ({ open, ...kind }) => {
  const isThere = IS_LINUX && kind.isThere;
  let opened: OpenedStorage | undefined;
  let bank: Bank;
  let programs: BankPrograms;
  let server: ServeProcess;
  let endpoint: Server;
  let signer: CibaTpp;
  const pings: Ping[] = [];

  beforeAll(async () => {
    if (!isThere) return;
    opened = await open();
    [bank, programs] = await Promise.all([openBank(opened.storage), createBankPrograms()]);
    endpoint = await openEndpoint(bank, pings);
    addPinged(bank, endpoint);
    writeFileSync(join(bank.folder, 'asked.mjs'), MODULE);
    const [front = 0, mtls = 0] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
      Number(new URL(url).port),
    );
    server = startServe(
      bank,
      { front, mtls, health: await freePort() },
      { workers: 2, aspspModule: 'asked.mjs', bankApi: programs.section },
    );
    const areReady = async () => {
      const { status, text } = await server.health('ready');
      return status === 200 && !text.includes('starting') && text.includes('worker 2');
    };
    await vi.waitUntil(areReady, { timeout: 60_000, interval: 100 });
    signer = await CibaTpp.open(bank, POLLING);
  }, 120_000);
  afterAll(async () => {
    await signer?.close();
    server?.child.kill('SIGKILL');
    await server?.ended;
    endpoint?.close();
    await Promise.all([bank?.close(), programs?.remove()]);
    await opened?.close();
  });

  /** On a connection of its own. */
  const fresh = async (ask: (tpp: Tpp) => Promise<Answer>): Promise<Answer> => {
    const tpp = new Tpp(bank);
    return ask(tpp).finally(() => tpp.close());
  };
  const onEach = (ask: (tpp: Tpp) => Promise<Answer>) =>
    Promise.all(Array.from({ length: CONNECTIONS }, () => fresh(ask)));
  const bankCall = async (path: string, body?: object) => {
    const call = await programs.caller(programs.certificates.core, bank.description);
    return call(path, body === undefined ? {} : { body }).finally(() => call.close());
  };
  const ask = async (clientId: string): Promise<string> => {
    const request = await signer.sign({
      iss: clientId,
      ...(clientId === PINGED && { client_notification_token: TOKEN }),
    });
    const asked = await fresh((tpp) => tpp.post(server, '/backchannel', { client_id: clientId, request }));
    expect([asked.status, asked.text]).toEqual([200, expect.stringContaining('auth_req_id')]);
    return String(asked.json.auth_req_id);
  };
  const pollOf = (clientId: string, authReqId: string) => (tpp: Tpp) =>
    tpp.post(server, '/token', { client_id: clientId, grant_type: CIBA_GRANT, auth_req_id: authReqId });
  const waiting = async (): Promise<string> => {
    const { json } = await bankCall('/v1/approvals?psuId=psu-6f1c2a');
    expect(json.approvals).toHaveLength(1);
    return json.approvals[0].approvalId;
  };
  const approve = (approvalId: string) =>
    bankCall(`/v1/approvals/${approvalId}/approve`, { accountIds: ['acc-1001'], amr: ['swk'] });
  /** The processes in which calls of this name ran. */
  const processesOf = async (call: string) => {
    const text = await readFile(join(bank.folder, 'calls.txt'), 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => (line.startsWith(`${call} `) ? line.split(' ').slice(1) : []));
  };

  /** Asks and answers until a question was asked at one worker and answered at the other; `check` sees each round. */
  const untilCrossed = async (clientId: string, check: (authReqId: string) => Promise<void>) => {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const authReqId = await ask(clientId);
      const approvalId = await waiting();
      // Each round has one connection more before its answer: the workers change places.
      for (let shift = 0; shift < round; shift += 1) await bankCall(`/v1/approvals/${approvalId}`);
      expect((await approve(approvalId)).json).toEqual({ decision: 'approved', isFirst: true });
      await check(authReqId);
      const [asking, answering] = await Promise.all(['startApproval', 'listAccounts'].map(processesOf));
      if (asking?.at(-1) !== answering?.at(-1)) return;
    }
    throw new Error('one worker had every question and answer');
  };

  it.skipIf(!isThere)(
    'give tokens to one of many polls for the answer that the other worker got (J9, J15)',
    async () => {
      const authReqId = await ask(POLLING);
      const early = await onEach(pollOf(POLLING, authReqId));
      const states = early.map(({ json }) => json.error);
      expect(states).toContain('authorization_pending');
      expect(states.filter((one) => one !== 'authorization_pending' && one !== 'slow_down')).toEqual([]);
      await bankCall(`/v1/approvals/${await waiting()}/reject`, {});
      const denied = await onEach(pollOf(POLLING, authReqId));
      // The request ends when a poll has its denial: later polls name no request.
      const ends = denied.map(({ json }) => json.error);
      expect(ends).toContain('access_denied');
      expect(ends.filter((end) => end !== 'access_denied' && end !== 'invalid_grant')).toEqual([]);

      await untilCrossed(POLLING, async (authReqId) => {
        const answers = await onEach(pollOf(POLLING, authReqId));
        const [given, ...more] = answers.filter(({ status }) => status === 200);
        expect(more).toEqual([]);
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 400]));
        // The tokens of the one poll live, whichever worker is asked.
        const refreshed = await fresh((tpp) =>
          tpp.post(server, '/token', {
            client_id: POLLING,
            grant_type: 'refresh_token',
            refresh_token: String(given?.json.refresh_token),
          }),
        );
        expect([refreshed.status, refreshed.json.error]).toEqual([200, undefined]);
      });
    },
    60_000,
  );

  it.skipIf(!isThere)(
    'ping the TPP once, whichever worker gets the answer (J14)',
    async () => {
      await untilCrossed(PINGED, async (authReqId) => {
        await vi.waitUntil(() => pings.some((ping) => ping.authReqId === authReqId), 10_000);
        const answers = await onEach(pollOf(PINGED, authReqId));
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      });
      expect(new Set(pings.map(({ authorization }) => authorization))).toEqual(new Set([`Bearer ${TOKEN}`]));
      expect(new Set(pings.map(({ authReqId }) => authReqId)).size).toBe(pings.length);
    },
    60_000,
  );

  it.skipIf(!isThere)(
    'refuse the tokens of a consent that has ended: lists and refresh tokens at once, /userinfo half a second later (L2)',
    async () => {
      const tpp = new Tpp(bank);
      const { json } = await tpp.exchange(server, await tpp.code(server));
      tpp.close();
      const [access, refresh] = [String(json.access_token), String(json.refresh_token)];
      const isLive = async () =>
        Promise.all(
          Array.from({ length: CONNECTIONS }, async () => {
            const reader = new Tpp(bank);
            return reader.isLive(server, access).finally(() => reader.close());
          }),
        );
      expect(new Set(await isLive())).toEqual(new Set([true]));
      const before = await onEach((one) => one.userinfo(server, access));
      expect(new Set(before.map(({ status }) => status))).toEqual(new Set([200]));

      const consentId = String(claimsOf(access).consent_id);
      const ended = await bankCall(`/v1/consents/${consentId}/revoke`, {});
      expect([ended.status, ended.json.status]).toEqual([200, 'revoked']);
      // No time between the answer and these.
      const [refreshed, live] = await Promise.all([onEach((one) => one.refresh(server, refresh)), isLive()]);
      expect(new Set(refreshed.map((answer) => `${answer.status} ${String(answer.json.error)}`))).toEqual(
        new Set(['400 invalid_grant']),
      );
      expect(new Set(live)).toEqual(new Set([false]));
      // Status lists are believed for half a second, by /userinfo and /introspect.
      const userinfo = async () =>
        new Set((await onEach((one) => one.userinfo(server, access))).map(({ status }) => status));
      await expect
        .poll(userinfo, { timeout: 500 + SLACK_MILLISECONDS, interval: 50 })
        .toEqual(new Set([401]));
    },
    60_000,
  );
});

/** The endpoint of a TPP that is pinged (CIBA Core §10.2). */
async function openEndpoint({ folder }: Bank, pings: Ping[]): Promise<Server> {
  const [cert, key] = ['server.pem', 'server.key'].map((file) => readFileSync(join(folder, 'pki', file)));
  const server = createServer({ cert, key }, (request, response) => {
    void request.toArray().then((chunks) => {
      const { auth_req_id: authReqId } = JSON.parse(Buffer.concat(chunks as Buffer[]).toString());
      pings.push({ authorization: request.headers.authorization, authReqId });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Adds a client of the same TPP whose pings go to the endpoint. */
function addPinged({ clientsFile }: Bank, endpoint: Server): void {
  const { clients } = JSON.parse(readFileSync(clientsFile, 'utf8')) as {
    readonly clients: readonly { readonly client_id: string }[];
  };
  const known = clients.find(({ client_id: id }) => id === 'money-one-mtls-ciba-ping');
  const { port } = endpoint.address() as AddressInfo;
  const pinged = {
    ...known,
    client_id: PINGED,
    backchannel_client_notification_endpoint: `https://localhost:${port}/pings`,
  };
  writeFileSync(clientsFile, JSON.stringify({ clients: [...clients, pinged] }));
}
