import { setTimeout as sleep } from 'node:timers/promises';
import type { LogEntry, PlannedModule, Suite } from './suite.ts';

/** How a module ended. */
export interface ModuleEnding {
  readonly module: string;
  readonly id: string;
  /** A result of the suite (`PASSED`, `WARNING`, `REVIEW`, `SKIPPED`, `FAILED`), or `GIVEN UP`, or `INTERRUPTED`. */
  readonly result: string;
  readonly seconds: number;
  /** The log entries that are a failure or a warning. */
  readonly remarks: readonly Remark[];
  readonly log: readonly LogEntry[];
}

export interface Remark {
  readonly result: string;
  readonly condition: string;
  readonly message: string;
  readonly requirements: readonly string[];
}

interface RunOptions {
  /** A module that waits and logs nothing for so long is given up. */
  readonly stuckSeconds: number;
  /** How often the suite is asked. */
  readonly pollSeconds: number;
  readonly signal: AbortSignal;
}

/** The log is long, so that it is read less often. */
const POLLS_PER_LOG = 10;
const REMARKABLE = ['FAILURE', 'WARNING', 'INTERRUPTED'];

/** Runs one module of a plan to its end, or until nothing moves any more. */
export async function runModule(
  suite: Suite,
  plan: string,
  module: PlannedModule,
  options: RunOptions,
): Promise<ModuleEnding> {
  const started = performance.now();
  const id = await suite.createModule(plan, module);
  try {
    const result = await resultOf(suite, id, options);
    const log = await suite.log(id);
    const seconds = (performance.now() - started) / 1000;
    return { module: module.testModule, id, result, seconds, remarks: remarksOf(log), log };
  } catch (error) {
    if (options.signal.aborted) await suite.cancelModule(id).catch(() => undefined);
    throw error;
  }
}

async function resultOf(suite: Suite, id: string, options: RunOptions): Promise<string> {
  const { stuckSeconds, pollSeconds, signal } = options;
  let [moved, entries] = [performance.now(), 0];
  for (let poll = 1; ; poll++) {
    const { status, result } = await suite.info(id);
    if (status === 'FINISHED') return result ?? status;
    if (status === 'INTERRUPTED') return status;
    if (status === 'CONFIGURED') await suite.startModule(id);
    if (poll % POLLS_PER_LOG === 0) {
      const { length } = await suite.log(id);
      if (length > entries) [moved, entries] = [performance.now(), length];
      else if (performance.now() - moved > stuckSeconds * 1000) {
        await suite.cancelModule(id);
        return 'GIVEN UP';
      }
    }
    await sleep(pollSeconds * 1000, undefined, { signal });
  }
}

function remarksOf(log: readonly LogEntry[]): Remark[] {
  return log
    .filter(({ result = '' }) => REMARKABLE.includes(result))
    .map(({ result = '', src = '', msg = '', requirements = [] }) => ({
      result,
      condition: src,
      message: msg,
      requirements,
    }));
}
