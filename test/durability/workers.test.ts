import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hasRedis, type RedisProcess, startRedis } from '../storage/redis-servers.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { type Bank, isReady, openBank, type Ports } from './bank.ts';
import { type Answer, Tpp } from './tpp.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const ASPSP = `export const createAspsp = async () => ({
  name: 'Example Bank', authenticatePsu: async () => undefined, listAccounts: async () => [],
});`;
const IS_LINUX = process.platform === 'linux';

let redis: RedisProcess | undefined;
afterAll(() => redis?.kill());

describe.each([
  ['SQLite', IS_LINUX, async () => undefined],
  [
    'Redis',
    IS_LINUX && hasRedis,
    async () => {
      redis = await startRedis();
      return { redis: { url: `redis://127.0.0.1:${redis.port}` } };
    },
  ],
] as [string, boolean, () => Promise<object | undefined>][])(
  'two workers on %s',
  (name, isThere, storageOf) => {
    // What files say does not depend on the store.
    const isForFiles = isThere && name === 'SQLite';
    let bank: Bank;
    let server: ChildProcess;
    let config: string;
    let ports: Ports;
    let output = '';
    beforeAll(async () => {
      if (!isThere) return;
      bank = await openBank(await storageOf());
      ports = {
        front: Number(new URL(bank.description.issuer).port),
        mtls: Number(new URL(bank.description.mtlsUrl).port),
        health: await freePort(),
      };
      config = join(bank.folder, 'serve.json');
      writeFileSync(join(bank.folder, 'bank.mjs'), ASPSP);
      writeFileSync(
        config,
        JSON.stringify(bank.configuration(ports, { workers: 2, aspspModule: 'bank.mjs' })),
      );
      server = spawn(process.execPath, [MAIN, 'serve', '--config', config]);
      for (const stream of [server.stdout, server.stderr]) {
        stream?.on('data', (chunk: Buffer) => {
          output += chunk.toString();
        });
      }
      await vi.waitUntil(async () => (await isReady({ ports })) && workersOf(server).length === 2, 20_000);
    }, 60_000);
    afterAll(async () => {
      server?.kill('SIGKILL');
      await bank?.close();
    });

    /** One request on each of `count` new connections, which go to the workers in turn. */
    const answers = async (count = 6): Promise<Answer[]> => {
      const all: Answer[] = [];
      for (let at = 0; at < count; at += 1) {
        const tpp = new Tpp(bank);
        all.push(await tpp.clientCredentials({ ports }));
        tpp.close();
      }
      return all;
    };
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
        await expect.poll(statuses, { timeout: 15_000 }).toEqual([401, 401, 401, 401, 401, 401]);
        writeFileSync(bank.clientsFile, file);
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
  },
);

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
