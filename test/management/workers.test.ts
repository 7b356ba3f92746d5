import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { LocalTickets } from '../../src/management/operators/local-tickets.ts';
import { type Bank, freePorts, openBank, type Ports } from '../durability/bank.ts';
import { Tpp } from '../durability/tpp.ts';
import { type ServeProcess, startServe } from '../server/serve-process.ts';
import { changing } from './managed-server.ts';

let bank: Bank;
let server: ServeProcess;
let ports: Ports;
beforeAll(async () => {
  bank = await openBank();
  const [front = 0, mtls = 0] = [bank.description.issuer, bank.description.mtlsUrl].map((url) =>
    Number(new URL(url).port),
  );
  ports = { front, mtls, health: (await freePorts()).health };
  server = startServe(bank, ports, { workers: 2, shutdown: { noticeSeconds: 0, drainSeconds: 2 } });
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

it('with two workers a block counts in both within a second, and the public ports have none of it (O5)', async () => {
  const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8').trim(), 'base64url');
  const tickets = new LocalTickets({ secret, clock: systemClock });
  const token = tickets.create('bearer', { name: 'ops', roles: ['operator'] });
  const call = async (path: string, { method, body, headers }: ReturnType<typeof changing> = {}) => {
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
  };
  expect((await call('/v1/operator')).json).toMatchObject({ name: 'ops', by: 'local' });
  expect(await tokenStatuses()).toEqual(new Set([200]));
  const number = bank.description.tpps.find(({ name }) => name === 'money-one')?.organizationIdentifier;
  const made = await call('/v1/blocks', changing({ blocked: { kind: 'tpp', authorizationNumber: number } }));
  expect(made.status).toBe(201);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await tokenStatuses()).toEqual(new Set([400]));
  const { etag } = await call(`/v1/blocks/${made.json.blockId}`);
  expect((await call(`/v1/blocks/${made.json.blockId}/lift`, changing({}, etag))).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  expect(await tokenStatuses()).toEqual(new Set([200]));
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
