import type { Log } from '../../events.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
import type { SqliteWriter } from './sqlite-writer.ts';

export interface ExpiryOptions {
  readonly writer: Pick<SqliteWriter, 'write' | 'isIdle'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
  readonly seconds: number;
}

/** Rows removed at once: five to ten milliseconds, the longest delay of a write behind a batch. */
const BATCH = 400;
/** Pages that are given back to the disk at once, 4 kB each. */
const SHRUNK_PAGES = 256;
/** Pause between two batches while this process writes nothing: twice as long as the retries of another one. */
const SHORT_PAUSE_SECONDS = 0.002;

/**
 * Removes expired records every `seconds`, until none is left. Between two batches the purge pauses as long as the last
 * batch took, so that it uses at most half of the writing thread, and shortly where no write waits. Then a file of mostly
 * free pages is made shorter. Bitmaps are looked through once, with the first batch: they have no index of their ends (4 ms of CPU
 * for the bits of 100 million tokens). `close` waits for the batch that is under way.
 */
export function followExpiry({ writer, now, log, seconds }: ExpiryOptions): BackgroundLoop {
  let isFirst = true;
  return new BackgroundLoop(seconds, async () => {
    const startedAt = performance.now();
    try {
      const batch = { do: 'purge', now: now(), limit: BATCH, alsoBits: isFirst } as const;
      const removed = Number(await writer.write(batch));
      isFirst = removed < BATCH && (await writer.write({ do: 'shrink', pages: SHRUNK_PAGES })) === 0;
      if (isFirst) return seconds;
      return writer.isIdle ? SHORT_PAUSE_SECONDS : (performance.now() - startedAt) / 1000;
    } catch (error) {
      log.emit('storage.purge.failed', { error });
      return seconds;
    }
  });
}
