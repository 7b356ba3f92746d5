import { mkdir, open, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';

/** A turn that was not renewed for so long is of a process that has ended. */
const STALE_SECONDS = 120;

/** The right of one process, of all that share a folder, to work in it now. */
export interface FolderTurn {
  /** Says that the work goes on. At least once a minute. */
  renew(): Promise<void>;
  end(): Promise<void>;
}

/** The turn that a file stands for, in a folder that is made where there is none; undefined while another process has it. */
export async function takeFolderTurn(file: string, clock: Clock): Promise<FolderTurn | undefined> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (!(await isMade(file))) {
    const age = await stat(file).then(
      ({ mtimeMs }) => clock.now().getTime() - mtimeMs,
      () => Number.POSITIVE_INFINITY,
    );
    if (age < STALE_SECONDS * 1000) return undefined;
    await rm(file, { force: true });
    // Of several processes that find it stale, one makes it.
    if (!(await isMade(file))) return undefined;
  }
  return {
    renew: async () => {
      const now = clock.now();
      await utimes(file, now, now).catch(() => undefined);
    },
    end: () => rm(file, { force: true }),
  };
}

async function isMade(file: string): Promise<boolean> {
  try {
    await (await open(file, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
