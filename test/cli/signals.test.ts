import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { tppNamed } from '../../src/sandbox/curl-lines.ts';
import { pathsOf } from '../../src/sandbox/folder.ts';
import { createAuthority } from '../../src/sandbox/pki/pki.ts';
import { freePort } from '../free-port.ts';
import { BANK_MODULE, type Bank, isReady, openBank, type Ports } from '../durability/bank.ts';
import { Tpp } from '../durability/tpp.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

interface Line {
  readonly event: string;
  readonly count?: number;
  readonly issuer?: string;
  readonly settings?: readonly string[];
  readonly problems?: readonly { readonly path: string; readonly message: string }[];
}

describe.skipIf(process.platform === 'win32')('tallystick serve with two workers', () => {
  let bank: Bank;
  let server: ChildProcess;
  let ports: Ports;
  let config: string;
  let output = '';
  let errors = '';
  beforeAll(async () => {
    bank = await openBank();
    ports = {
      front: Number(new URL(bank.description.issuer).port),
      mtls: Number(new URL(bank.description.mtlsUrl).port),
      health: await freePort(),
    };
    // An hour between two polls: only a signal makes the server read its files again.
    const more = {
      workers: 2,
      aspspModule: 'bank.mjs',
      blockList: { file: 'blocked.yaml', pollSeconds: 3600 },
    };
    writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
    writeFileSync(join(bank.folder, 'blocked.yaml'), 'blocked: []');
    config = join(bank.folder, 'serve.json');
    writeFileSync(config, JSON.stringify(bank.configuration(ports, more)));
    server = spawn(process.execPath, [MAIN, 'serve', '--config', config]);
    server.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    server.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    await vi.waitUntil(
      async () => (await isReady({ ports })) && eventsOf('server.started').length === 2,
      120_000,
    );
  }, 150_000);
  afterAll(async () => {
    server?.kill('SIGKILL');
    await bank?.close();
  });

  function eventsOf(name: string): Line[] {
    const lines = output.split('\n').slice(0, -1);
    return lines.map((line): Line => JSON.parse(line)).filter(({ event }) => event === name);
  }

  const reloaded = async (times: number) => {
    await expect.poll(() => eventsOf('files.reloaded').length, { timeout: 10_000 }).toBe(times);
    return eventsOf('files.reloaded').slice(-2);
  };
  const write = (file: string, text: string) => {
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };

  it('reads its files again at SIGHUP, each worker, and says which are bad', async () => {
    const list = join(bank.folder, 'blocked.yaml');
    const authorizationNumber = tppNamed(bank.description, 'money-one').organizationIdentifier;
    write(list, JSON.stringify({ blocked: [{ authorizationNumber, reason: 'test', since: '2026-11-21' }] }));
    server.kill('SIGHUP');
    const first = await reloaded(2);
    expect(first.map(({ problems }) => problems)).toEqual([[], []]);
    // A worker may have the changed list before its own signal, since another one asked for it.
    expect(first.some(({ count }) => count === 1)).toBe(true);
    for (const times of [4, 6]) {
      write(list, 'blocked: 7');
      server.kill('SIGHUP');
      const said = await reloaded(times);
      expect(said.map(({ problems }) => problems?.map(({ path }) => path))).toEqual([[list], [list]]);
    }
    await expect.poll(() => eventsOf('block-list.refused').length, { timeout: 10_000 }).toBeGreaterThan(1);
  }, 30_000);

  it('presents a renewed certificate to new connections, in each worker (C17)', async () => {
    const renewed = await createAuthority({
      name: 'renewed',
      notBefore: new Date('2020-01-01'),
      notAfter: new Date('2049-01-01'),
    });
    const { certificateFile, keyFile } = pathsOf(bank.folder).server;
    const before = [readFileSync(certificateFile, 'utf8'), readFileSync(keyFile, 'utf8')] as const;
    write(certificateFile, renewed.certificatePem);
    write(keyFile, renewed.privateKeyPem);
    server.kill('SIGHUP');
    expect((await reloaded(8)).map(({ count }) => count)).toEqual([1, 1]);
    const subjects = await Promise.all(
      [ports.front, ports.mtls, ports.front, ports.mtls].map(async (port) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
        await once(socket, 'secureConnect');
        const subject = socket.getPeerX509Certificate()?.subject;
        socket.destroy();
        return subject;
      }),
    );
    expect(subjects).toEqual(Array(4).fill('CN=renewed'));
    write(certificateFile, before[0]);
    write(keyFile, before[1]);
    server.kill('SIGHUP');
    await reloaded(10);
  }, 30_000);

  it('opens no debugger at SIGUSR1', async () => {
    server.kill('SIGUSR1');
    for (const pid of workersOf(server)) process.kill(pid, 'SIGUSR1');
    server.kill('SIGHUP');
    await reloaded(12);
    expect([errors, await isReady({ ports })]).toEqual(['', true]);
  }, 30_000);

  it('takes a changed log level and limits from its configuration at SIGHUP, and names what needs a restart', async () => {
    const lastOf = async (name: string, times: number) => {
      await expect.poll(() => eventsOf(name).length, { timeout: 10_000 }).toBe(times);
      return eventsOf(name).at(-1);
    };
    const good = readFileSync(config, 'utf8');
    const before = JSON.parse(good);
    const changed = {
      ...before,
      issuer: 'https://other.bank.example',
      clientLimits: { ...before.clientLimits, pushedRequestsPerMinute: 1 },
      connections: { ...before.connections, unreadSeconds: 5, keepAliveSeconds: 66 },
      requestLimits: { perAddress: 1, loopDelayMilliseconds: 60 },
    };
    writeFileSync(config, JSON.stringify(changed));
    server.kill('SIGHUP');
    expect((await lastOf('configuration.reloaded', 7))?.settings?.toSorted()).toEqual([
      'clientLimits.pushedRequestsPerMinute',
      'connections.unreadSeconds',
      'requestLimits.loopDelayMilliseconds',
      'requestLimits.perAddress',
    ]);
    expect((await lastOf('configuration.restart_needed', 1))?.problems).toEqual([
      { path: 'issuer', message: 'needs a restart' },
      { path: 'connections.keepAliveSeconds', message: 'needs a restart' },
    ]);
    const tpp = new Tpp(bank, 'money-two');
    // Two workers, with a limit of one each.
    const answers = async () => {
      const all = [1, 2, 3, 4].map(() => tpp.pushed({ ports }).then(() => 'pushed', String));
      return (await Promise.all(all)).map((text) => text.slice(0, 'Error: PAR: 429'.length));
    };
    await expect.poll(answers, { timeout: 10_000 }).toContain('Error: PAR: 429');

    // A bad file changes nothing, and one event of one process names every problem.
    writeFileSync(config, JSON.stringify({ ...changed, workers: 'many', accesToken: {} }));
    server.kill('SIGHUP');
    expect((await lastOf('configuration.refused', 1))?.problems?.map(({ path }) => path)).toEqual([
      'workers',
      '',
    ]);
    expect(await answers()).toContain('Error: PAR: 429');

    // A worker that is started anew serves by what is in use, not by the file.
    const [pid = 0] = workersOf(server);
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => eventsOf('server.started').length, { timeout: 60_000 }).toBe(3);
    expect(eventsOf('worker.not_started')).toEqual([]);
    expect(eventsOf('server.started').map(({ issuer }) => issuer)).toEqual(
      Array(3).fill(bank.description.issuer),
    );

    writeFileSync(config, good.replace('{', '{"logLevel":"error",'));
    server.kill('SIGHUP');
    await expect.poll(answers, { timeout: 10_000 }).toEqual(Array(4).fill('pushed'));
    const length = output.length;
    await tpp.clientCredentials({ ports });
    await sleep(500);
    expect(output.slice(length)).not.toContain('token.issued');
    tpp.close();
    writeFileSync(config, good);
    server.kill('SIGHUP');
    expect((await lastOf('configuration.reloaded', 9))?.settings).toEqual(['logLevel']);
  }, 120_000);

  it('ends at SIGTERM while the reader of its log stands still', async () => {
    server.stdout?.removeAllListeners('data').pause();
    const tpp = new Tpp(bank, 'money-two');
    for (let round = 0; round < 300; round += 1) await tpp.clientCredentials({ ports });
    tpp.close();
    const ended = once(server, 'exit');
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }, 30_000);
});

function workersOf({ pid }: ChildProcess): number[] {
  if (process.platform !== 'linux') return [];
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
