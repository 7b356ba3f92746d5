import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { type OpenedStorage, SHARED_STORES } from '../storage/shared-stores.ts';
import { freePort } from '../free-port.ts';
import { BANK_MODULE, type Bank, isReady, openBank, type Ports } from './bank.ts';
import { Tpp } from './tpp.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const CONNECTIONS = 6;
/** For a test machine that does other things too. */
const SLACK_MILLISECONDS = 5000;
const IS_LINUX = process.platform === 'linux';

describe.each(SHARED_STORES)('two workers on $name', ({ name, open, ...kind }) => {
  const isThere = IS_LINUX && kind.isThere;
  // What files say does not depend on the store.
  const isForFiles = isThere && name === 'SQLite';
  let opened: OpenedStorage | undefined;
  let bank: Bank;
  let server: ChildProcess;
  let config: string;
  let ports: Ports;
  let output = '';
  beforeAll(async () => {
    if (!isThere) return;
    opened = await open();
    bank = await openBank(opened.storage);
    ports = {
      front: Number(new URL(bank.description.issuer).port),
      mtls: Number(new URL(bank.description.mtlsUrl).port),
      health: await freePort(),
    };
    config = join(bank.folder, 'serve.json');
    writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
    writeFileSync(
      config,
      JSON.stringify(
        bank.configuration(ports, {
          workers: 2,
          aspspModule: 'bank.mjs',
          blockList: { file: 'blocked.yaml', pollSeconds: 1 },
        }),
      ),
    );
    writeFileSync(join(bank.folder, 'blocked.yaml'), 'blocked: []');
    server = spawn(process.execPath, [MAIN, 'serve', '--config', config]);
    for (const stream of [server.stdout, server.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    await vi.waitUntil(async () => (await isReady({ ports })) && workersOf(server).length === 2, 20_000);
  });
  afterAll(async () => {
    server?.kill('SIGKILL');
    await bank?.close();
    await opened?.close();
  });

  /** What is asked on each of six new connections, which go to the workers in turn. */
  const each = async <T>(who: string, ask: (tpp: Tpp) => Promise<T>): Promise<T[]> => {
    const all: T[] = [];
    for (let at = 0; at < CONNECTIONS; at += 1) {
      const tpp = new Tpp(bank, who);
      all.push(await ask(tpp));
      tpp.close();
    }
    return all;
  };
  const answers = () => each('money-one', (tpp) => tpp.clientCredentials({ ports }));
  const statuses = async () => (await answers()).map(({ status }) => status);
  const kids = async () =>
    new Set((await answers()).map(({ json }) => headerOf(String(json.access_token)).kid));

  it.skipIf(!isThere)(
    'serve, and one that dies is replaced while the other one serves',
    async () => {
      expect(await statuses()).toEqual([200, 200, 200, 200, 200, 200]);
      const before = workersOf(server);
      process.kill(before[0] ?? 0, 'SIGKILL');
      await expect
        .poll(
          async () => {
            const now = workersOf(server);
            return now.length === 2 && !now.includes(before[0] ?? 0);
          },
          { timeout: 15_000 },
        )
        .toBe(true);
      await expect.poll(statuses, { timeout: 15_000 }).toEqual([200, 200, 200, 200, 200, 200]);
      expect(output).toContain('"event":"worker.died"');
      expect(await isReady({ ports })).toBe(true);
    },
    60_000,
  );

  it.skipIf(!isThere)(
    'show a revocation in the next status list that any of them serves (L2)',
    async () => {
      // Each worker has said so: until then the first one gets all connections.
      await vi.waitUntil(() => (output.match(/"event":"server.started"/g) ?? []).length >= 2, 20_000);
      const tpp = new Tpp(bank);
      const readers = Array.from({ length: CONNECTIONS }, () => new Tpp(bank));
      // With connections that are open, so that few decisions of a list are old enough to be made again.
      for (let round = 0; round < 6; round += 1) {
        const token = (await tpp.clientCredentials({ ports })).json.access_token;
        const seen = () => Promise.all(readers.map((reader) => reader.isLive({ ports }, token)));
        expect(await seen()).toEqual(readers.map(() => true));
        expect((await tpp.revoke({ ports }, token)).status).toBe(200);
        expect(await seen()).toEqual(readers.map(() => false));
      }
      for (const one of [tpp, ...readers]) one.close();
    },
    60_000,
  );

  it.skipIf(!isForFiles)(
    'take new signing keys without a restart, and publish them before they use them (H18)',
    async () => {
      const [old] = await kids();
      const rotate = ['keys', 'rotate', '--config', config, '--delay', '8'];
      const said = execFileSync(process.execPath, [MAIN, ...rotate], { encoding: 'utf8' });
      const next = /^(\S+) {2}ES256 {2}next/m.exec(said)?.[1] ?? '';
      const published = async () => {
        const tpp = new Tpp(bank);
        const { json } = await tpp.browse({ ports }, '/jwks');
        tpp.close();
        return (json.keys as { kid: string }[]).map(({ kid }) => kid);
      };
      await expect.poll(published, { timeout: 15_000, interval: 300 }).toContain(next);
      await expect.poll(kids, { timeout: 20_000, interval: 300 }).toEqual(new Set([next]));
      expect(await published()).toEqual(expect.arrayContaining([old, next]));
    },
    60_000,
  );

  it.skipIf(!isForFiles)(
    'refuse a client that left the file, each of them',
    async () => {
      const file = readFileSync(bank.clientsFile, 'utf8');
      const clients = JSON.parse(file).clients.filter(
        (client: { readonly client_id: string }) => client.client_id !== new Tpp(bank).clientId,
      );
      writeFileSync(bank.clientsFile, JSON.stringify({ clients }));
      await expect.poll(statuses, { timeout: 15_000 }).toEqual([400, 400, 400, 400, 400, 400]);
      writeFileSync(bank.clientsFile, file);
      await expect.poll(statuses, { timeout: 15_000 }).toEqual([200, 200, 200, 200, 200, 200]);
    },
    60_000,
  );

  it.skipIf(!isForFiles)(
    'refuse two seconds later whom the registry withdraws or the block list names, and end their tokens, each of them (M18)',
    async () => {
      const registry = join(bank.folder, 'registry.yaml');
      const before = readFileSync(registry, 'utf8');
      const [one, two] = ['money-one', 'money-two'].map((who) => tppNamed(bank.description, who));
      const ask = (tpp: Tpp) => tpp.clientCredentials({ ports });
      const tokens = [(await each('money-one', ask))[0], (await each('money-two', ask))[0]];
      writeWhole(registry, withdrawn(before, one?.organizationIdentifier ?? ''));
      writeWhole(join(bank.folder, 'blocked.yaml'), blocked(two?.organizationIdentifier ?? ''));
      const refusals = async () =>
        [...(await each('money-one', ask)), ...(await each('money-two', ask))].map(
          ({ status, text }) => `${status} ${/ERR_\w+/.exec(text)?.[0]}`,
        );
      await expect
        .poll(refusals, { timeout: 2000 + SLACK_MILLISECONDS, interval: 50 })
        .toEqual([
          ...Array.from({ length: CONNECTIONS }, () => '400 ERR_TPP_NOT_AUTHORIZED'),
          ...Array.from({ length: CONNECTIONS }, () => '400 ERR_TPP_BLOCKED'),
        ]);
      const alive = async () => {
        const [first, second] = tokens.map((token) => token?.json.access_token);
        const isFirst = await each('money-one', (tpp) => tpp.isLive({ ports }, first));
        return [...isFirst, ...(await each('money-two', (tpp) => tpp.isLive({ ports }, second)))].filter(
          Boolean,
        );
      };
      // A list is judged again after half a second.
      await expect.poll(alive, { timeout: 500 + SLACK_MILLISECONDS, interval: 50 }).toEqual([]);
      writeWhole(registry, before);
      await expect.poll(statuses, { timeout: 15_000 }).toEqual([200, 200, 200, 200, 200, 200]);
    },
    60_000,
  );

  it.skipIf(!isThere)(
    'all stop on SIGTERM, and leave nothing behind',
    async () => {
      const workers = workersOf(server);
      const ended = once(server, 'exit');
      server.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
      expect(workers.filter(isAlive)).toEqual([]);
      expect(output.match(/"event":"server.stopped"/g)?.length).toBeGreaterThanOrEqual(3);
    },
    60_000,
  );
});

/** As docs/operate.md asks: as a whole, by a rename. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function blocked(authorizationNumber: string): string {
  return JSON.stringify({ blocked: [{ authorizationNumber, reason: 'test', since: '2026-11-21' }] });
}

function withdrawn(registry: string, authorizationNumber: string): string {
  const { tpps } = parse(registry) as { readonly tpps: readonly { readonly authorizationNumber: string }[] };
  return JSON.stringify({
    tpps: tpps.map((tpp) =>
      tpp.authorizationNumber === authorizationNumber ? { ...tpp, status: 'withdrawn' } : tpp,
    ),
  });
}

function workersOf(server: ChildProcess): number[] {
  const { pid } = server;
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function headerOf(jwt: string): { readonly kid?: string } {
  return JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString());
}
