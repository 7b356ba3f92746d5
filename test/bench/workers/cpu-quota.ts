import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A cgroup that holds one process, with all of its threads, to a share of a core. Linux, as root. */
export interface CpuQuota {
  /** `undefined` lifts the limit. */
  limit(cores: number | undefined): void;
  /** Ends the process, since a cgroup with a process in it cannot be removed, and removes the cgroup. */
  close(): void;
}

/** Short beside the time of a burst, and so that a request waits for a few milliseconds at most. */
const PERIOD_MICROSECONDS = 10_000;
const CLOSE_MILLISECONDS = 5000;

const UNIFIED = '/sys/fs/cgroup';
const LEGACY = '/sys/fs/cgroup/cpu';
const isLegacy = existsSync(join(LEGACY, 'cpu.cfs_quota_us'));

/**
 * Moves a process into a new cgroup, version 1 or 2 as the machine has it. Without a limit so far.
 *
 * @throws what the file system says where cgroups cannot be written
 */
export function openCpuQuota(pid: number): CpuQuota {
  if (!isLegacy) writeFileSync(join(UNIFIED, 'cgroup.subtree_control'), '+cpu');
  const folder = join(isLegacy ? LEGACY : UNIFIED, `tallystick-bench-${pid}`);
  const write = (file: string, text: string | number) => writeFileSync(join(folder, file), String(text));
  const processes = () => readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  const limit = (cores: number | undefined) => {
    const microseconds = cores === undefined ? undefined : Math.round(cores * PERIOD_MICROSECONDS);
    if (isLegacy) {
      write('cpu.cfs_period_us', PERIOD_MICROSECONDS);
      write('cpu.cfs_quota_us', microseconds ?? -1);
    } else write('cpu.max', `${microseconds ?? 'max'} ${PERIOD_MICROSECONDS}`);
  };
  mkdirSync(folder);
  try {
    limit(undefined);
    write('cgroup.procs', pid);
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
  return {
    limit,
    close: () => {
      limit(undefined);
      for (const one of processes()) process.kill(Number(one), 'SIGKILL');
      // It is called while this process ends, when nothing can be awaited any more.
      const until = performance.now() + CLOSE_MILLISECONDS;
      while (processes().length > 0 && performance.now() < until) pause(10);
      rmdirSync(folder);
    },
  };
}

function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
