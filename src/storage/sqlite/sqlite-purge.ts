import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../log.ts';
import type { Writer } from './sqlite-writer.ts';

export interface ExpiryOptions {
  readonly writer: Writer;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
  readonly seconds: number;
}

/** Rows removed at once: a few milliseconds, which is how long a write may have to wait for it. */
const BATCH = 200;

/**
 * Removes what has expired, every `seconds` until nothing is left. Between two batches it rests as long as the
 * last one took, so that it never has more than half of the writing thread.
 */
export function followExpiry({ writer, now, log, seconds }: ExpiryOptions): { close(): Promise<void> } {
  let isClosed = false;
  let running: Promise<void> | undefined;

  const purge = async () => {
    for (let removed = BATCH; removed >= BATCH && !isClosed; ) {
      const startedAt = performance.now();
      removed = Number(await writer.write({ do: 'purge', now: now(), limit: BATCH }));
      if (removed >= BATCH) await sleep(performance.now() - startedAt, undefined, { ref: false });
    }
  };
  const timer = setInterval(() => {
    running ??= purge()
      .catch((error: unknown) => log.warn('storage.purge.failed', { error }))
      .finally(() => {
        running = undefined;
      });
  }, seconds * 1000);
  timer.unref();

  return {
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await running;
    },
  };
}
