import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../../src/events.ts';
import type { SandboxDescription } from '../../src/sandbox/folder.ts';
import { openRevocationService } from '../../src/sandbox/revocation/revocation-service.ts';
import { sandboxConfiguration } from '../../src/sandbox/sandbox-configuration.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { freePort, freeSandboxPorts } from '../free-port.ts';
import { layFolder } from '../sandbox/made-folders.ts';
import type { Command, Report } from './server-child.ts';

/** The files of a bank that several server processes share. */
export interface Bank {
  readonly folder: string;
  readonly description: SandboxDescription;
  readonly clientsFile: string;
  /** The value of a configuration; `more` replaces members. */
  configuration(ports: Ports, more?: object): object;
  /** Starts a server process. The first one listens where the issuer and the mTLS URL say. */
  start(more?: object, at?: Ports): Promise<BankProcess>;
  /** Kills what runs, and removes the files. */
  close(): Promise<void>;
}

export interface Ports {
  readonly front: number;
  readonly mtls: number;
  readonly health: number;
}

export interface BankProcess {
  readonly ports: Ports;
  readonly child: ChildProcess;
  command(command: Command): void;
  /** The next report that `pick` takes. */
  report<T>(pick: (report: Report) => T | undefined): Promise<T>;
  readonly exited: Promise<unknown>;
  kill(): Promise<void>;
  /** SIGTERM, and the end of the process. */
  stop(): Promise<void>;
  /** The same process again, on the same ports. */
  again(): Promise<BankProcess>;
}

const CHILD = fileURLToPath(new URL('./server-child.ts', import.meta.url));

/** A module of a bank with every part that the configuration of a sandbox needs. Its customers cannot log in. */
export const BANK_MODULE = `export const createAspsp = async () => ({
  name: 'Example Bank', answerAuthentication: async () => ({}), listAccounts: async () => [],
  findClaims: async () => ({}),
  decoupled: { connect: () => {}, findCustomer: async () => undefined, startApproval: async () => {} },
});`;

/** `storage` is that of the configuration; `bank.sqlite` by default. */
export async function openBank(storage: object = { file: 'bank.sqlite' }): Promise<Bank> {
  const folder = mkdtempSync(join(tmpdir(), 'tallystick-bank-'));
  // Only for its certificates, registry and ports.
  const freeFolder = await layFolder(folder);
  const sandbox = await startSandbox({ folder, ports: await freeSandboxPorts(), isAudited: false });
  await sandbox.close();
  const { description } = sandbox;
  const revocation = await openRevocationService(folder, {
    port: Number(new URL(description.revocationUrl).port),
    log: silentLog,
  });
  const base = (await sandboxConfiguration(folder, description, { isAudited: false })) as {
    readonly trust: readonly { readonly revocation: object }[];
    readonly clients: readonly object[];
  };
  const clientsFile = join(folder, 'clients.json');
  writeFileSync(clientsFile, JSON.stringify({ clients: base.clients }));
  const running = new Set<ChildProcess>();
  let started = 0;

  const configuration = (ports: Ports, more: object = {}) => ({
    ...base,
    listen: { host: '127.0.0.1', ...ports },
    connections: { exemptAddresses: ['127.0.0.1'] },
    storage: { secretFile: 'bank.secret', ...storage },
    signingKeysFile: 'bank.keys.json',
    trust: base.trust.map((one) => ({ ...one, revocation: { ...one.revocation, refreshSeconds: 60 } })),
    clients: [],
    clientLimits: { pushedRequestsPerMinute: 1_000_000, recordsPerMinute: 10_000_000 },
    clientsFile,
    ...more,
  });

  const launch = async (file: string, ports: Ports): Promise<BankProcess> => {
    const child = fork(CHILD, [file], {
      execPath: process.execPath,
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.setMaxListeners(1000);
    running.add(child);
    const exited = once(child, 'exit').then(() => running.delete(child));
    const report: BankProcess['report'] = (pick) =>
      new Promise((resolve, reject) => {
        const onMessage = (message: Report) => {
          const picked = pick(message);
          if (picked === undefined) return;
          child.off('message', onMessage);
          child.off('exit', onExit);
          resolve(picked);
        };
        const onExit = () => reject(new Error('the server process has ended'));
        child.on('message', onMessage);
        child.once('exit', onExit);
      });
    await report((message) => (message === 'ready' ? true : undefined));
    const end = async (signal: NodeJS.Signals) => {
      child.kill(signal);
      await exited;
    };
    return {
      ports,
      child,
      command: (command) => void child.send(command),
      report,
      exited,
      kill: () => end('SIGKILL'),
      stop: () => end('SIGTERM'),
      again: () => launch(file, ports),
    };
  };

  return {
    folder,
    description,
    clientsFile,
    configuration,
    start: async (more, at) => {
      started += 1;
      const isFirst = started === 1;
      const ports = at ?? {
        front: isFirst ? Number(new URL(description.issuer).port) : await freePort(),
        mtls: isFirst ? Number(new URL(description.mtlsUrl).port) : await freePort(),
        health: await freePort(),
      };
      const file = join(folder, `process-${started}.json`);
      writeFileSync(file, JSON.stringify(configuration(ports, more)));
      return launch(file, ports);
    },
    close: async () => {
      for (const child of running) child.kill('SIGKILL');
      while (running.size > 0) await sleep(10);
      await revocation.close();
      await freeFolder();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function freePorts(): Promise<Ports> {
  return { front: await freePort(), mtls: await freePort(), health: await freePort() };
}

/** The process that comes after one that has died, when it is ready. */
export async function restarted(dead: BankProcess): Promise<BankProcess> {
  await dead.exited;
  const next = await dead.again();
  while (!(await isReady(next))) await sleep(5);
  return next;
}

/** Whether the process says that it is ready, on its health port. */
export async function isReady({ ports }: Pick<BankProcess, 'ports'>): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${ports.health}/health/ready`).catch(() => undefined);
  await answer?.text();
  return answer?.status === 200;
}
