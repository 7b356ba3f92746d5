import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Approvals, RegisteredClient } from '../../../src/index.ts';
import { startTestSandbox, type TestSandbox } from '../running-sandbox.ts';
import { CibaTpp, codeOf, refusalOf } from './ciba-tpp.ts';

interface Ping {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let sandbox: TestSandbox;
let endpoint: Server;
let address: string;
let answer: (response: ServerResponse) => void;
let registration: RegisteredClient;
const pings: Ping[] = [];
const open: CibaTpp[] = [];
const TOKEN = 'n'.repeat(43);
const ANSWER = { accountIds: ['acc-1001'], amr: ['swk'] };

beforeAll(async () => {
  sandbox = await startTestSandbox();
  const pki = (file: string) => readFile(join(sandbox.folder, 'pki', file), 'utf8');
  const [cert, key] = await Promise.all([pki('server.pem'), pki('server.key')]);
  endpoint = createServer({ cert, key }, (request, response) => {
    void request.toArray().then((chunks) => {
      const { method, url: path, headers } = request;
      pings.push({ method, path, headers, body: Buffer.concat(chunks as Buffer[]).toString() });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve));
  address = `https://localhost:${(endpoint.address() as AddressInfo).port}`;
  const known = await sandbox.server.clients.find('money-one-mtls-ciba-ping');
  if (known === undefined) throw new Error('the sandbox has no such client');
  registration = { ...known, backchannel_client_notification_endpoint: `${address}/pings` };
  await sandbox.server.clients.register({ ...registration, client_id: 'money-one-mtls-pinged' });
});
afterEach(async () => {
  pings.length = 0;
  await Promise.all(open.splice(0).map((tpp) => tpp.close()));
});
afterAll(async () => {
  endpoint.closeAllConnections();
  endpoint.close();
  await sandbox.stop();
});

const approvals = () => sandbox.server.approvals as Approvals;

async function asked(clientId = 'money-one-mtls-pinged') {
  const tpp = await CibaTpp.open(sandbox, clientId);
  open.push(tpp);
  const { auth_req_id: authReqId } = await tpp.ask({ client_notification_token: TOKEN });
  return { tpp, authReqId, id: approvals().idOf(authReqId) };
}

describe('a ping (CIBA Core §10.2)', () => {
  it('names the request to the client, by its own token, once there is an answer', async () => {
    answer = (response) => response.writeHead(204).end();
    const { tpp, authReqId, id } = await asked();
    expect(pings).toEqual([]);
    await approvals().approve(id, ANSWER);
    await vi.waitFor(() => expect(pings).toHaveLength(1));
    expect(pings[0]).toMatchObject({
      method: 'POST',
      path: '/pings',
      body: JSON.stringify({ auth_req_id: authReqId }),
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    });
    // Poll and ping may cross: the tokens of the one that came first live.
    expect((await tpp.poll(authReqId)).access_token).toBeTypeOf('string');
    await approvals().reject(id);
    await sleep(50);
    expect(pings).toHaveLength(1);
  });

  it('comes for a rejection too', async () => {
    answer = (response) => response.writeHead(200).end('{"thanks":true}');
    const { tpp, authReqId, id } = await asked();
    await approvals().reject(id);
    await vi.waitFor(() => expect(pings).toHaveLength(1));
    expect((await refusalOf(tpp.poll(authReqId))).error).toBe('access_denied');
  });

  it.each<[what: string, answer: (response: ServerResponse) => void]>([
    ['401', (response) => response.writeHead(401).end()],
    ['403', (response) => response.writeHead(403).end('no')],
    ['500', (response) => response.writeHead(500).end()],
    ['a redirect', (response) => response.writeHead(301, { location: `${address}/elsewhere` }).end()],
    ['a connection that ends', (response) => response.destroy()],
    ['too large an answer', (response) => response.writeHead(200).end('x'.repeat(100_000))],
  ])('that is answered with %s is sent once, and loses nothing (J14)', async (_what, fail) => {
    answer = fail;
    const { tpp, authReqId, id } = await asked();
    await approvals().approve(id, ANSWER);
    const [event] = await sandbox.events({ event: 'ciba.ping.failed', url: new URL(address).host });
    expect(event).toMatchObject({ clientId: 'money-one-mtls-pinged' });
    expect(JSON.stringify(event)).not.toContain(TOKEN);
    expect(JSON.stringify(event)).not.toContain(authReqId);
    expect((await tpp.poll(authReqId)).access_token).toBeTypeOf('string');
    await sleep(100);
    expect(pings.map(({ path }) => path)).toEqual(['/pings']);
  });

  it('of a client that never answers holds up neither the bank nor another client (J14)', async () => {
    answer = () => undefined;
    const slow = await asked();
    await approvals().approve(slow.id, ANSWER);
    await vi.waitFor(() => expect(pings).toHaveLength(1));
    answer = (response) => response.writeHead(204).end();
    await sandbox.server.clients.register({ ...registration, client_id: 'money-one-mtls-quick' });
    const quick = await asked('money-one-mtls-quick');
    await approvals().approve(quick.id, ANSWER);
    await vi.waitFor(() => expect(pings).toHaveLength(2));
    expect((await slow.tpp.poll(slow.authReqId)).access_token).toBeTypeOf('string');
  });

  it('goes to no address inside the bank (J14, H10)', async () => {
    const inside = `https://127.0.0.1:${new URL(address).port}/pings`;
    await sandbox.server.clients.register({
      ...registration,
      client_id: 'money-one-mtls-inside',
      backchannel_client_notification_endpoint: inside,
    });
    const { tpp, authReqId, id } = await asked('money-one-mtls-inside');
    await approvals().approve(id, ANSWER);
    const [event] = await sandbox.events({ event: 'ciba.ping.failed', clientId: 'money-one-mtls-inside' });
    expect(JSON.stringify(event)).toContain('ERR_OUTBOUND_REFUSED');
    expect(pings).toEqual([]);
    expect((await tpp.poll(authReqId)).access_token).toBeTypeOf('string');
  });
});

describe('the registration of a client for CIBA (CIBA Core §4)', () => {
  it.each<[what: string, change: Partial<RegisteredClient>]>([
    ['http', { backchannel_client_notification_endpoint: 'http://tpp.example/pings' }],
    ['no address', { backchannel_client_notification_endpoint: undefined }],
    ['no URL', { backchannel_client_notification_endpoint: 'pings' }],
    ['a fragment', { backchannel_client_notification_endpoint: 'https://tpp.example/#a' }],
    ['credentials', { backchannel_client_notification_endpoint: 'https://a:b@tpp.example/' }],
    ['an address to poll', { backchannel_token_delivery_mode: 'poll' }],
    ['no way of delivery', { backchannel_token_delivery_mode: undefined }],
    ['no keys', { jwks: undefined }],
    ['no openid', { scope: 'accounts' }],
    ['an algorithm without a key', { backchannel_authentication_request_signing_alg: 'PS256' }],
    ['another grant', { grant_types: ['client_credentials'] }],
  ])('is refused with %s', async (_what, change) => {
    const client = { ...registration, ...change, client_id: 'refused' };
    expect(await codeOf(sandbox.server.clients.register(client))).toBe('ERR_CLIENT_REGISTRATION');
  });
});
