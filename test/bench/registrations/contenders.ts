import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BANK_MODULE, type Bank, freePorts, isReady } from '../../durability/bank.ts';
import type { LoadOrder, LoadTally } from './load.ts';

/** A server, how long its start took, and its process. */
export interface Started {
  readonly port: number;
  readonly startSeconds: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const POLL_MILLISECONDS = 10;

interface Base {
  readonly trust: readonly { readonly revocation: object }[];
  readonly clientKeys: object;
}

/** What every server of the bank has in its configuration. */
export function baseOf(bank: Bank): Base {
  return bank.configuration({ front: 0, mtls: 0, health: 0 }) as Base;
}

/** `tallystick serve` with every check on; the start ends when its health port answers that it is ready. */
export async function startServer(
  bank: Bank,
  name: string,
  { flags = [], ...more }: { readonly flags?: readonly string[] } & Readonly<Record<string, unknown>>,
): Promise<Started> {
  const ports = await freePorts();
  const file = join(bank.folder, `${name}.json`);
  writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
  // One CRL has the status of every TPP.
  const revocation = { mode: 'crl-first', nonce: 'optional' };
  const trust = baseOf(bank).trust.map((one) => ({
    ...one,
    revocation: { ...one.revocation, ...revocation },
  }));
  const own = {
    aspspModule: 'bank.mjs',
    trust,
    storage: { secretFile: 'bank.secret', file: `${name}.sqlite` },
  };
  writeFileSync(file, JSON.stringify(bank.configuration(ports, { ...own, ...more })));
  const startedAt = performance.now();
  const main = here('../../../src/cli/main.ts');
  const child = spawn(process.execPath, [...flags, main, 'serve', '--config', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  while (!(await isReady({ ports }))) {
    if (child.exitCode !== null) throw new Error('the server has ended');
    await sleep(POLL_MILLISECONDS);
  }
  const startSeconds = (performance.now() - startedAt) / 1000;
  const stop = async () => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  return { port: ports.mtls, startSeconds, child, stop };
}

export type Send = (
  to: Pick<Started, 'port' | 'child'>,
  order: Omit<LoadOrder, 'port' | 'pid' | 'host' | 'caFile'>,
) => Promise<LoadTally>;

/** The load, in a process of its own. */
export function startLoad(bank: Bank): { readonly send: Send; close(): void } {
  const child = fork(here('./load.ts'), { execPath: process.execPath, execArgv: [] });
  const { caFile, mtlsUrl } = bank.description;
  return {
    send: async ({ port, child: { pid = 0 } }, order) => {
      const answer = once(child, 'message');
      child.send({ ...{ port, pid, caFile }, host: new URL(mtlsUrl).host, ...order } satisfies LoadOrder);
      const [tally] = await answer;
      return tally as LoadTally;
    },
    close: () => void child.kill(),
  };
}

/** One burst in words. */
export function tallyText(tally: LoadTally): string {
  const each = ((tally.cpuSeconds / tally.count) * 1e6).toFixed(0);
  return (
    `${(tally.count / tally.seconds).toFixed(0)} a second, p50 ${tally.p50.toFixed(1)} ms, ` +
    `p99 ${tally.p99.toFixed(1)} ms, ${each} us of CPU each; load average ${loadavg()[0]?.toFixed(1)}; ` +
    `errors: ${tally.errors.join('; ') || 'none'}`
  );
}

/** Resident memory, in MB. Linux. */
export function residentMegabytes({ child }: Started): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}
