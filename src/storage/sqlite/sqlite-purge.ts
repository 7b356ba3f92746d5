import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../events.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { SqliteWriter } from './sqlite-writer.ts';

export interface ExpiryOptions {
  readonly writer: SqliteWriter;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
  readonly seconds: number;
}

/** Rows removed at once: a few milliseconds, the longest delay of a write behind a batch. */
const BATCH = 200;

/**
 * Removes expired records every `seconds`, until none is left. Between two batches the purge pauses as long as the last
 * batch took, so that it uses at most half of the writing thread.
 */
export function followExpiry({ writer, now, log, seconds }: ExpiryOptions): { close(): Promise<void> } {
  let isClosed = false;
  const purges = new SingleFlight<void>();

  const purge = async () => {
    for (let removed = BATCH; removed >= BATCH && !isClosed; ) {
      const startedAt = performance.now();
      removed = Number(await writer.write({ do: 'purge', now: now(), limit: BATCH }));
      if (removed >= BATCH) await sleep(performance.now() - startedAt, undefined, { ref: false });
    }
  };
  const timer = setInterval(() => {
    void purges.run(() => purge().catch((error: unknown) => log.emit('storage.purge.failed', { error })));
  }, seconds * 1000);
  timer.unref();

  return {
    close: async () => {
      isClosed = true;
      clearInterval(timer);
      await purges.settled();
    },
  };
}
