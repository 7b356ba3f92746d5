import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import { createCaller, createTestBank, type TestBank } from '../../resource-server/test-bank.ts';

const SECONDS = 8;
const scriptAt = (name: string) =>
  fileURLToPath(new URL(`../../resource-server/decision/${name}`, import.meta.url));

/** Requests of the honest TPP: answers by status, and the slowest. */
interface Service {
  readonly statuses: Record<number, number>;
  slowest: number;
}

// An API that introspects opaque tokens, and its authorization server, each in a process of its own.
describe('introspection under attack', () => {
  let bank: TestBank;
  let caller: ReturnType<typeof createCaller>;
  let children: readonly ChildProcess[];
  beforeAll(async () => {
    bank = await createTestBank({ format: 'opaque' });
    caller = createCaller(bank.description);
    const config = join(bank.folder, 'config.json');
    await writeFile(config, JSON.stringify(bank.config));
    const { issuer, resourceUrl, caFile, mtlsUrl } = bank.description;
    const api = {
      issuer,
      resourceUrl,
      caFile,
      ...pathsOf(bank.folder).server,
      introspection: {
        endpoint: `${mtlsUrl}/introspect`,
        clientId: 'accounts-api',
        response: 'signed',
        ...bank.apis.accounts,
      },
    };
    const server = fork(scriptAt('authorization-server-child.ts'), [config]);
    await once(server, 'message');
    const resource = fork(scriptAt('api-child.ts'), [JSON.stringify(api)]);
    await once(resource, 'message');
    children = [server, resource];
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await caller.close();
    await bank.remove();
  });

  const callApi = async (certificate: TestBank['apis']['stranger'], token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await caller.send(`${bank.description.resourceUrl}/accounts`, { certificate, headers })).status;
  };

  /** The honest TPP calls the API with tokens that it has just been given, until the time is over. */
  const honestCalls = async (until: number): Promise<Service> => {
    const service: Service = { statuses: {}, slowest: 0 };
    while (performance.now() < until) {
      const token = await caller.clientToken('money-one');
      const from = performance.now();
      const status = await callApi(tppNamed(bank.description, 'money-one'), token);
      service.slowest = Math.max(service.slowest, performance.now() - from);
      service.statuses[status] = (service.statuses[status] ?? 0) + 1;
      await sleep(20);
    }
    return service;
  };

  const report = (title: string, { statuses, slowest }: Service) => {
    const answers = Object.entries(statuses).map(([status, count]) => `${count} × ${status}`);
    console.log(`${title}: ${answers.join(', ')}; slowest ${Math.round(slowest)} ms`);
  };

  it.each([
    ['8,190 slashes, two and a half times a second', '/'.repeat(8190)],
    ['an unknown token, two and a half times a second', undefined],
  ])('a stranger sends %s', async (title, token) => {
    const until = performance.now() + SECONDS * 1000;
    const attack = async () => {
      for (let at = 0; performance.now() < until; at += 1) {
        await callApi(bank.apis.stranger, token ?? `unknown-${at}`);
        await sleep(400);
      }
    };
    const [service] = await Promise.all([honestCalls(until), attack()]);
    report(title, service);
    expect(Object.keys(service.statuses)).toEqual(['200']);
  });

  it('a stranger sends unknown tokens, 64 at a time', async () => {
    const until = performance.now() + SECONDS * 1000;
    let sent = 0;
    const attack = async (line: number) => {
      while (performance.now() < until) {
        sent += 1;
        await callApi(bank.apis.stranger, `unknown-${line}-${sent}`);
      }
    };
    const [service] = await Promise.all([
      honestCalls(until),
      ...Array.from({ length: 64 }, (_, line) => attack(line)),
    ]);
    report(`a stranger sends ${Math.round(sent / SECONDS)} unknown tokens a second`, service);
    expect(Object.keys(service.statuses)).toEqual(['200']);
  });
});

// Revoked JWTs are bits of a status list, which each introspection reads.
describe('introspection of JWTs beside revocations', () => {
  let bank: TestBank;
  let caller: ReturnType<typeof createCaller>;
  let server: ChildProcess;
  beforeAll(async () => {
    bank = await createTestBank({ format: 'jwt' });
    caller = createCaller(bank.description);
    const config = join(bank.folder, 'config.json');
    await writeFile(config, JSON.stringify(bank.config));
    server = fork(scriptAt('authorization-server-child.ts'), [config]);
    await once(server, 'message');
  });
  afterAll(async () => {
    server.kill('SIGKILL');
    await caller.close();
    await bank.remove();
  });

  it('a TPP revokes tokens as fast as it gets them', async () => {
    const seconds = 3 * SECONDS;
    const endpoint = `${bank.description.mtlsUrl}/introspect`;
    const token = await caller.clientToken('money-one');
    const from = performance.now();
    const isOver = () => performance.now() - from > seconds * 1000;
    const [asked, revoked]: [number[], number[]] = [
      [0, 0, 0],
      [0, 0, 0],
    ];
    const count = (thirds: number[]) => {
      const third = Math.min(2, Math.floor((performance.now() - from) / (SECONDS * 1000)));
      thirds[third] = (thirds[third] ?? 0) + 1;
    };
    const introspect = async () => {
      while (!isOver()) {
        const form = { client_id: 'accounts-api', token };
        const { json } = await caller.send(endpoint, { certificate: bank.apis.accounts, form });
        expect(json.active).toBe(true);
        count(asked);
      }
    };
    const revoke = async () => {
      const certificate = tppNamed(bank.description, 'money-two');
      while (!isOver()) {
        const form = { client_id: 'money-two-mtls', token: await caller.clientToken('money-two') };
        await caller.send(`${bank.description.mtlsUrl}/revoke`, { certificate, form });
        count(revoked);
      }
    };
    await Promise.all([...Array.from({ length: 4 }, introspect), ...Array.from({ length: 4 }, revoke)]);
    const rates = (thirds: readonly number[]) => thirds.map((one) => Math.round(one / SECONDS)).join(', ');
    console.log(
      `in thirds of ${seconds} s: ${rates(asked)} introspections, ${rates(revoked)} revocations a second`,
    );
  });
});
