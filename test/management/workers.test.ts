import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, fetch as request } from 'undici';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LastCheckpoint } from '../../src/audit/last-checkpoint.ts';
import { openAuditKey } from '../../src/audit/line/signing-key.ts';
import { AuditSearch } from '../../src/audit/reading/audit-search.ts';
import { FolderSource } from '../../src/audit/reading/folder-source.ts';
import { verifyAudit } from '../../src/audit/verification/verification.ts';
import { systemClock } from '../../src/clock.ts';
import { silentLog } from '../../src/events.ts';
import { LocalTickets } from '../../src/management/operators/local-tickets.ts';
import { RegisteringTpp } from '../authorization-server/registration/registering.ts';
import type { TestSandbox } from '../authorization-server/running-sandbox.ts';
import { blocksOf, fileOf, readPage } from '../docs/pages.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite.ts';
import { type Bank, freePorts, openBank, type Ports } from '../durability/bank.ts';
import { Tpp } from '../durability/tpp.ts';
import { type ServeProcess, startServe } from '../server/serve-process.ts';
import { changing } from './managed-server.ts';

const MAIN = fileOf('src/cli/main.ts');
let bank: Bank;
let server: ServeProcess;
let ports: Ports;
beforeAll(async () => {
  bank = await openBank();
  const [front = 0, mtls = 0] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
    Number(new URL(url).port),
  );
  ports = { front, mtls, health: (await freePorts()).health };
  server = startServe(bank, ports, {
    workers: 2,
    shutdown: { noticeSeconds: 0, drainSeconds: 10 },
    registration: { profiles: [{ profile: 'certificate' }], approval: 'manual' },
    audit: { folder: 'audit', signingKeyFile: 'audit.key' },
  });
  const isReady = async () => {
    const { status, text } = await server.health('ready');
    return status === 200 && !text.includes('starting') && text.includes('worker 2');
  };
  await vi.waitUntil(isReady, { timeout: 60_000, interval: 200 });
}, 120_000);
afterAll(async () => {
  server?.child.kill('SIGKILL');
  await server?.ended;
  await bank?.close();
});

/** Statuses of the token requests of new connections, which the two workers have in turn. */
async function tokenStatuses(): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>();
  for (let count = 0; count < 6; count += 1) {
    const tpp = new Tpp(bank);
    statuses.add((await tpp.clientCredentials({ ports })).status ?? 0);
    tpp.close();
  }
  return statuses;
}

async function call(path: string, { method, body, headers }: ReturnType<typeof changing> = {}) {
  const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(), 'base64url');
  const tickets = new LocalTickets({ secret, clock: systemClock });
  const token = tickets.create('bearer', { name: 'ops', roles: ['operator'] });
  const answer = await fetch(`http://127.0.0.1:${ports.health}${path}`, {
    method: method ?? 'GET',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: answer.status,
    etag: answer.headers.get('etag') ?? '',
    json: (await answer.json()) as { readonly blockId?: string },
  };
}

/** A TPP at the registration endpoint, with a connection of its own for each request: the workers have them in turn. */
function registeringTpp(): RegisteringTpp {
  const send: TestSandbox['send'] = async (url, { certificate, ...init } = {}) => {
    const [ca, cert, key] = [
      bank.description.caFile,
      certificate?.certificateFile ?? '',
      certificate?.keyFile ?? '',
    ].map((file) => readFileSync(file));
    const dispatcher = new Agent({ connect: { ca, cert, key } });
    const answer = await request(url, { ...init, dispatcher });
    const text = await answer.text();
    await dispatcher.destroy();
    return { status: answer.status, headers: answer.headers as Headers, text, json: JSON.parse(text) };
  };
  return new RegisteringTpp({ send, description: bank.description });
}

it('with two workers a client that is approved, disabled, enabled or deleted is soon that in both', async () => {
  const tpp = registeringTpp();
  const registered = await tpp.register();
  expect([registered.status, registered.json.registration_status]).toEqual([201, 'awaiting-approval']);
  const path = `/v1/clients/${String(registered.json.client_id)}`;
  const statuses = async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => tpp.token(registered.json.client_id, 'accounts')),
    );
    return new Set(answers.map(({ status }) => status));
  };
  const change = async (word: string, status: number) => {
    const { etag } = await call(path);
    expect([word, (await call(`${path}/${word}`, changing({}, etag))).status]).toEqual([word, 200]);
    await expect.poll(statuses).toEqual(new Set([status]));
  };
  expect(await statuses()).toEqual(new Set([400]));
  await change('approve', 200);
  await change('disable', 400);
  await change('enable', 200);
  await change('delete', 400);
  expect((await call(path)).status).toBe(404);
}, 60_000);

const hasCurl = spawnSync('curl', ['--version']).status === 0;
it.skipIf(!hasCurl)(
  'answers the lines of docs/management.md as they stand',
  async () => {
    const lines = blocksOf(readPage('docs/management.md')).filter(({ language }) => language === 'sh');
    expect(lines).toHaveLength(2);
    for (const { code } of lines) {
      const script = code
        .replaceAll('127.0.0.1:9000', `127.0.0.1:${ports.health}`)
        .replaceAll('tallystick.yaml', join(bank.folder, `serve-${ports.front}-${ports.health}.json`))
        .replaceAll(/\btallystick console/g, `${process.execPath} ${MAIN} console`)
        .replaceAll('curl ', 'curl --fail-with-body ');
      const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script]);
      expect(JSON.parse(stdout)).toEqual(
        code.includes('/lift')
          ? { blockId: expect.any(String), status: 'lifted' }
          : expect.objectContaining({ tpps: expect.any(Array) }),
      );
    }
  },
  60_000,
);

it('with two workers a block soon counts in both, and the public ports have none of it (O5)', async () => {
  expect((await call('/v1/operator')).json).toMatchObject({ name: 'ops', by: 'local' });
  expect(await tokenStatuses()).toEqual(new Set([200]));
  const number = bank.description.tpps.find(({ name }) => name === 'money-one')?.organizationIdentifier;
  const made = await call('/v1/blocks', changing({ blocked: { kind: 'tpp', authorizationNumber: number } }));
  expect(made.status).toBe(201);
  await expect.poll(tokenStatuses).toEqual(new Set([400]));
  const { etag } = await call(`/v1/blocks/${made.json.blockId}`);
  expect((await call(`/v1/blocks/${made.json.blockId}/lift`, changing({}, etag))).status).toBe(200);
  await expect.poll(tokenStatuses).toEqual(new Set([200]));
  const tpp = new Tpp(bank);
  for (const path of [
    '/v1/blocks',
    '/v1/operator',
    '/console',
    '/console/enter',
    '/metrics',
    '/openapi.json',
  ]) {
    const answer = await tpp.post({ ports }, path, {});
    expect([404, 405], path).toContain(answer.status);
  }
  tpp.close();
}, 60_000);

it('with two workers the process that owns the ports has a chain of its own in the audit record', async () => {
  const { port } = new URL(`http://127.0.0.1:${ports.health}`);
  const misdirected = plainRequest({ port, path: '/console', headers: { host: 'rebound.example' } }).end();
  const [answer] = (await once(misdirected, 'response')) as [IncomingMessage];
  answer.resume();
  expect(answer.statusCode).toBe(421);
  process.kill(server.children()[0] ?? 0, 'SIGKILL');
  server.child.kill('SIGHUP');
  const record = new AuditSearch(new FolderSource(join(bank.folder, 'audit')));
  const names = async () => {
    const query = { from: new Date(0), to: new Date(Date.now() + 60_000), limit: 1000 };
    const { entries } = await record.find(query);
    const opened = entries.find(({ members }) => members.pid === server.child.pid);
    return entries.filter(({ process }) => process === opened?.process).map(({ event }) => event);
  };
  const expected = ['management.refused', 'worker.died', 'configuration.reloaded', 'clients.loaded'];
  await expect.poll(names, { timeout: 20_000 }).toEqual(expect.arrayContaining(expected));
  server.child.kill('SIGTERM');
  expect(await server.ended).toMatchObject({ code: 0 });

  const [key, store] = await Promise.all([
    openAuditKey(join(bank.folder, 'audit.key')),
    openSqliteStore({ file: join(bank.folder, 'bank.sqlite'), clock: systemClock, log: silentLog }),
  ]);
  const verified = await verifyAudit({
    source: new FolderSource(join(bank.folder, 'audit')),
    keys: new Map([[key.id, key.publicKey]]),
    stored: await new LastCheckpoint(store).find(),
  });
  await store.close();
  expect(verified.faults).toEqual([]);
  expect((await names())[0]).toBe('audit.checkpoint');
}, 60_000);
