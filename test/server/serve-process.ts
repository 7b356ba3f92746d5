import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BANK_MODULE, type Bank, type Ports } from '../durability/bank.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** `tallystick serve` as a bank runs it. */
export interface ServeProcess {
  readonly child: ChildProcess;
  readonly ports: Ports;
  /** Standard output and standard error until now. */
  output(): string;
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
  /** The pids of the processes that this one has started. */
  children(): number[];
  health(path: string): Promise<{ readonly status: number; readonly text: string }>;
}

/** Starts the command with the bank's configuration; `more` replaces members of the configuration. */
export function startServe(bank: Bank, ports: Ports, more: object = {}): ServeProcess {
  const file = join(bank.folder, `serve-${ports.front}-${ports.health}.json`);
  writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
  writeFileSync(file, JSON.stringify(bank.configuration(ports, { aspspModule: 'bank.mjs', ...more })));
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', file]);
  let output = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    stderr += chunk.toString();
  });
  return {
    child,
    ports,
    output: () => output,
    // The output is complete when all processes that have it are gone.
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr }))),
    children: () => childrenOf(child.pid),
    health: async (path) => {
      const answer = await fetch(`http://127.0.0.1:${ports.health}/health/${path}`).catch(() => undefined);
      return { status: answer?.status ?? 0, text: (await answer?.text()) ?? '' };
    },
  };
}

function childrenOf(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
