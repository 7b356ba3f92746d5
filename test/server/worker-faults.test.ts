import { readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Bank, freePorts, openBank, type Ports } from '../durability/bank.ts';
import { type ServeProcess, startServe } from './serve-process.ts';
import { Tpp } from '../durability/tpp.ts';

const IS_LINUX = process.platform === 'linux';
const PATIENCE = { timeout: 30_000, interval: 100 };
const NO_NOTICE = { workers: 2, shutdown: { noticeSeconds: 0, drainSeconds: 2 } };

let bank: Bank;
beforeAll(async () => {
  bank = await openBank();
});
afterAll(() => bank.close());

let server: ServeProcess | undefined;
afterEach(async () => {
  for (const pid of server?.children() ?? []) process.kill(pid, 'SIGCONT');
  server?.child.kill('SIGKILL');
  await server?.ended;
  server = undefined;
});

async function startTwo(): Promise<ServeProcess> {
  const { description } = bank;
  const [front = 0, mtls = 0] = [description.issuer, description.mtlsUrl].map((url) =>
    Number(new URL(url).port),
  );
  const started = startServe(bank, { front, mtls, health: (await freePorts()).health }, NO_NOTICE);
  server = started;
  await vi.waitUntil(async () => (await goodWorkers(started)) === 2, { ...PATIENCE, timeout: 60_000 });
  return started;
}

/** The number of workers without a problem, as the health says. */
async function goodWorkers({ health }: ServeProcess): Promise<number> {
  const { text } = await health('ready');
  if (!text.startsWith('{')) return 0;
  const { parts } = JSON.parse(text) as { parts: { readonly part: string; readonly status: string }[] };
  return [1, 2].filter((number) => {
    const own = parts.filter(({ part }) => part.startsWith(`worker ${number}`));
    return own.length > 1 && own.every(({ status }) => status === 'ok');
  }).length;
}

async function tokenStatus(ports: Ports): Promise<string> {
  const tpp = new Tpp(bank);
  const answer = await tpp.clientCredentials({ ports }).catch((error: NodeJS.ErrnoException) => error.code);
  tpp.close();
  return typeof answer === 'object' ? String(answer.status) : String(answer);
}

describe('two workers that cannot start', () => {
  it('end with the exit code and the message of one (a registry that cannot be read)', async () => {
    const ended = [1, 2].map(async (workers) => {
      const { code, stderr } = await startServe(bank, await freePorts(), {
        workers,
        registry: { file: 'bank.mjs' },
      }).ended;
      return { code, stderr: stderr.trim() };
    });
    const [one, two] = await Promise.all(ended);
    expect(one).toEqual({ code: 2, stderr: expect.stringContaining('bank.mjs') });
    expect(two).toEqual(one);
  }, 60_000);

  const NO_FOLDER = 'cannot be made: its folder does not exist';
  const noKey = { certificateFile: 'pki/server.pem', privateKeyFile: 'pki/server.pem' };
  it.each([
    ['no bank module', { aspspModule: 'nowhere.mjs' }, 2, 'aspspModule'],
    ['a private key that is none', { tls: noKey }, expect.any(Number), ''],
    [
      'an address of another machine',
      { listen: { host: '192.0.2.1', front: 0, mtls: 0, health: 0 } },
      3,
      '192.0.2.1',
    ],
    [
      'a store in no folder',
      { storage: { file: 'none/a', secretFile: 'bank.secret' } },
      2,
      `storage.file: ${NO_FOLDER}`,
    ],
    [
      'a secret in no folder',
      { storage: { file: 'bank.sqlite', secretFile: 'none/a' } },
      2,
      `storage.secretFile: ${NO_FOLDER}`,
    ],
    ['signing keys in no folder', { signingKeysFile: 'none/a' }, 2, `signingKeysFile: ${NO_FOLDER}`],
  ])(
    'end, for %s',
    async (_name, more, exitCode, text) => {
      const { code, stderr } = await startServe(bank, await freePorts(), { workers: 2, ...more }).ended;
      expect([code, stderr]).toEqual([exitCode, expect.stringContaining(text)]);
      expect(code).not.toBe(0);
    },
    60_000,
  );

  it('end so when a port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const taken = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const ports = { ...(await freePorts()), mtls: taken };
    const { code, stderr } = await startServe(bank, ports, { workers: 2 }).ended;
    other.close();
    expect([code, stderr]).toEqual([3, expect.stringContaining(`Port ${taken} of 127.0.0.1 is in use`)]);
  }, 60_000);
});

describe.runIf(IS_LINUX)('two workers', () => {
  it('lose one that stands still: the other serves, and the first is replaced (M19)', async () => {
    const { children, ports, output, health } = await startTwo();
    const [stopped = 0] = children();
    process.kill(stopped, 'SIGSTOP');
    for (let at = 0; at < 4; at += 1) expect(await tokenStatus(ports)).toBe('200');
    await vi.waitUntil(() => !children().includes(stopped), PATIENCE);
    await expect.poll(() => goodWorkers({ health } as ServeProcess), PATIENCE).toBe(2);
    expect(output()).toContain('"event":"worker.stuck"');
    expect(await tokenStatus(ports)).toBe('200');
  }, 120_000);

  it('that both stand still leave the port open, which answers 503 until they are replaced (M19)', async () => {
    const { children, ports, health } = await startTwo();
    const stopped = children();
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    const seen = new Set<string>();
    await vi.waitUntil(async () => {
      seen.add(await tokenStatus(ports));
      return !children().some((pid) => stopped.includes(pid)) && seen.has('200');
    }, PATIENCE);
    expect([...seen]).not.toContain('ECONNREFUSED');
    expect((await health('live')).status).toBe(200);
  }, 120_000);

  it('that cannot start again are started until their file is good, and 503 is answered so long', async () => {
    const { children, ports, health, output, child } = await startTwo();
    const module = join(bank.folder, 'bank.mjs');
    const good = readFileSync(module, 'utf8');
    writeFileSync(module, 'export const createAspsp = () => ({});');
    try {
      for (const pid of children()) process.kill(pid, 'SIGKILL');
      await expect.poll(() => tokenStatus(ports), PATIENCE).toBe('503');
      const tpp = new Tpp(bank);
      const page = await tpp.browse({ ports }, '/authorize');
      expect([page.status, page.headers['retry-after']]).toEqual([503, '5']);
      tpp.close();
      // An answer is repeated for a short time: the last one was before the workers ended.
      await expect.poll(async () => (await health('ready')).status, PATIENCE).toBe(503);
      const ready = await health('ready');
      expect([JSON.parse(ready.text).status, (await health('live')).status]).toEqual(['unavailable', 200]);
      await expect.poll(output, PATIENCE).toContain('"event":"worker.not_started"');
    } finally {
      writeFileSync(module, good);
    }
    await expect.poll(() => tokenStatus(ports), PATIENCE).toBe('200');
    await expect.poll(output, PATIENCE).toContain('"event":"workers.back"');
    child.kill('SIGTERM');
    expect((await server?.ended)?.code).toBe(0);
  }, 120_000);
});
