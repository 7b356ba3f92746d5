import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childrenOf, type Contender } from '../tokens/contenders.ts';
import type { LoopDelay } from './loop-probe.ts';

const LONGEST_MILLISECONDS = 10_000;

/** Makes every server that is started from here on answer SIGUSR2 with the delay of its event loop, in files of the folder. */
export function probeLoops(folder: string): void {
  process.env.GROWTH_FOLDER = folder;
  process.env.NODE_OPTIONS = `--import ${new URL('./loop-probe.ts', import.meta.url).href}`;
}

/** The event loops of a server, or of its workers. */
export class Loops {
  readonly #pids: readonly number[];
  readonly #folder: string;
  #asked = 0;

  constructor({ child }: Contender, folder: string) {
    const pid = child.pid ?? 0;
    const workers = childrenOf(pid);
    this.#pids = workers.length === 0 ? [pid] : workers;
    this.#folder = folder;
  }

  /** The worst of them, since the last call. */
  async delay(): Promise<LoopDelay> {
    this.#asked += 1;
    const asked = this.#asked;
    for (const pid of this.#pids) process.kill(pid, 'SIGUSR2');
    const files = this.#pids.map((pid) => join(this.#folder, `loop-${pid}-${asked}.json`));
    const all = await Promise.all(files.map(answerIn));
    return { p99: Math.max(...all.map(({ p99 }) => p99)), max: Math.max(...all.map(({ max }) => max)) };
  }
}

async function answerIn(file: string): Promise<LoopDelay> {
  const until = performance.now() + LONGEST_MILLISECONDS;
  while (!existsSync(file)) {
    if (performance.now() > until) throw new Error(`no answer in ${file}`);
    await sleep(20);
  }
  const answer = JSON.parse(readFileSync(file, 'utf8')) as LoopDelay;
  rmSync(file);
  return answer;
}

/** Resident memory of a process and all that it has started. Linux. */
export function megabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const own = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  return childrenOf(pid).reduce((sum, child) => sum + megabytesOf(child), own);
}
