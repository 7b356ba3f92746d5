import type { Log } from '../../events.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
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
 * batch took, so that it uses at most half of the writing thread. `close` waits for the batch that is under way.
 */
export function followExpiry({ writer, now, log, seconds }: ExpiryOptions): BackgroundLoop {
  return new BackgroundLoop(seconds, async () => {
    const startedAt = performance.now();
    try {
      const removed = Number(await writer.write({ do: 'purge', now: now(), limit: BATCH }));
      return removed >= BATCH ? (performance.now() - startedAt) / 1000 : seconds;
    } catch (error) {
      log.emit('storage.purge.failed', { error });
      return seconds;
    }
  });
}
