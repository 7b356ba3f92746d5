import { setTimeout as sleep } from 'node:timers/promises';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import { isBusy } from './sqlite-connection.ts';

const RETRY_MILLISECONDS = 5;

/**
 * Runs the work at once, and repeats it while another process holds the file. Other work of this process goes on.
 *
 * @throws ERR_STORAGE_UNAVAILABLE, at once or as a rejection
 */
export function waiting<T>(operation: string, milliseconds: number, work: () => T): T | Promise<T> {
  try {
    return work();
  } catch (cause) {
    if (isBusy(cause)) return repeated(operation, milliseconds, work);
    throw asRefusal(operation, cause);
  }
}

async function repeated<T>(operation: string, milliseconds: number, work: () => T): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    await sleep(RETRY_MILLISECONDS);
    try {
      return work();
    } catch (cause) {
      if (!isBusy(cause) || performance.now() > deadline) throw asRefusal(operation, cause);
    }
  }
}

function asRefusal(operation: string, cause: unknown): unknown {
  return isRefusal(cause) ? cause : new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation }, { cause });
}
