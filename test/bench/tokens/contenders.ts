import { X509Certificate } from 'node:crypto';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import { BANK_MODULE, type Bank, freePorts, isReady } from '../../durability/bank.ts';
import { freePort } from '../../../src/sandbox/ports.ts';
import type { Burst, Tally } from './generator.ts';

/** A server that is measured. */
export interface Contender {
  readonly name: string;
  readonly port: number;
  readonly host: string;
  readonly child: ChildProcess;
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const MAIN = here('../../../src/cli/main.ts');

/** Bare oidc-provider with its in-memory adapter. */
export async function startBare(
  bank: Bank,
  format: 'jwt' | 'opaque',
  { registers = false }: { readonly registers?: boolean } = {},
): Promise<Contender> {
  const paths = pathsOf(bank.folder);
  const tpp = bank.description.tpps.find(({ name }) => name === 'money-one');
  if (tpp === undefined) throw new Error('no TPP');
  const port = await freePort();
  const options = {
    port,
    issuer: bank.description.issuer,
    clientId: tpp.clients.tls_client_auth.client_id,
    subject: new X509Certificate(readFileSync(tpp.certificateFile)).subject,
    format,
    registers,
    caFiles: [paths.root, paths.intermediates],
    certificateFile: paths.server.certificateFile,
    keyFile: paths.server.keyFile,
  };
  const child = spawn(process.execPath, [here('./bare-server.ts'), JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await sleep(2500);
  return { name: `bare, memory, ${format}`, port, host: new URL(bank.description.issuer).host, child };
}

/** `tallystick serve`, with every check on. */
export async function startOwn(bank: Bank, name: string, more: object): Promise<Contender> {
  const ports = await freePorts();
  const file = join(bank.folder, `${name.replaceAll(/\W+/g, '-')}.json`);
  writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
  writeFileSync(file, JSON.stringify(bank.configuration(ports, { aspspModule: 'bank.mjs', ...more })));
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (!(await isReady({ ports }))) await sleep(50);
  // Workers beyond the first.
  await sleep(2000);
  return { name, port: ports.mtls, host: new URL(bank.description.mtlsUrl).host, child };
}

/** A generator in a process of its own. */
export function startGenerator(bank: Bank) {
  const child = fork(here('./generator.ts'), { execPath: process.execPath, execArgv: [] });
  const tpp = bank.description.tpps.find(({ name }) => name === 'money-one');
  if (tpp === undefined) throw new Error('no TPP');
  return {
    pid: child.pid ?? 0,
    close: () => void child.kill(),
    burst: async (
      to: Contender,
      seconds: number,
      { connections = 16, ...more }: Partial<Burst> = {},
    ): Promise<Tally> => {
      const answer = once(child, 'message');
      child.send({
        port: to.port,
        host: to.host,
        body: `grant_type=client_credentials&scope=accounts&client_id=${tpp.clients.tls_client_auth.client_id}`,
        seconds,
        connections,
        caFile: bank.description.caFile,
        certificateFile: tpp.certificateFile,
        keyFile: tpp.keyFile,
        ...more,
      } satisfies Burst);
      const [tally] = await answer;
      return tally as Tally;
    },
  };
}

/** CPU seconds that a server and its workers have used. Linux. */
export function cpuSecondsOf({ child }: Contender): number {
  const whole = (pid: number): number =>
    childrenOf(pid)
      .map(whole)
      .reduce((sum, one) => sum + one, cpuSecondsOfProcess(pid));
  return whole(child.pid ?? 0);
}

/** CPU seconds of one process, with all of its threads. Linux. */
export function cpuSecondsOfProcess(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The processes that a process has started. Linux. */
export function childrenOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}
