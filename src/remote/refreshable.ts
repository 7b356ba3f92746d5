import type { Clock } from '../clock.ts';
import { NextFlight } from './next-flight.ts';
import { SingleFlight } from './single-flight.ts';

/** A value and the time of its request, in seconds since the epoch. */
export interface Reading<T> {
  readonly value: T;
  readonly readAt: number;
}

/** One remote fact that is kept fresh: a key set, a status list. */
export interface Refreshable<T> {
  /**
   * A reading that is younger than `maxAgeSeconds`: the last one, or a new one. Many callers cause one request. With 0,
   * a reading whose request begins after the call; all callers that wait for that request share it.
   *
   * @throws what `read` threw; for `coolDownSeconds` after a failure the same again, without a request
   */
  fresh(maxAgeSeconds: number): Promise<Reading<T>>;
  /** The last good reading, however old. */
  readonly last: Reading<T> | undefined;
}

export interface RefreshableOptions<T> {
  readonly read: () => Promise<T>;
  readonly clock: Clock;
  /** How long the source gets no request after a failure. */
  readonly coolDownSeconds: number;
}

/** The fact is read on demand only, so there is no timer to stop. */
export function createRefreshable<T>(options: RefreshableOptions<T>): Refreshable<T> {
  let last: Reading<T> | undefined;
  let failure: { readonly error: unknown; readonly at: number } | undefined;
  const reads = new SingleFlight<Reading<T>>();
  const nextReads = new NextFlight<Reading<T>>();
  const now = () => options.clock.now().getTime() / 1000;

  const assertNotCoolingDown = () => {
    if (failure !== undefined && now() - failure.at < options.coolDownSeconds) throw failure.error;
  };
  const read = async (): Promise<Reading<T>> => {
    // Again, since the reading may have waited for one that failed.
    assertNotCoolingDown();
    const readAt = now();
    try {
      last = Object.freeze({ value: await options.read(), readAt });
      failure = undefined;
      return last;
    } catch (error) {
      failure = { error, at: now() };
      throw error;
    }
  };

  return {
    fresh: async (maxAgeSeconds) => {
      if (last !== undefined && now() - last.readAt < maxAgeSeconds) return last;
      assertNotCoolingDown();
      return maxAgeSeconds > 0 ? reads.run(read) : nextReads.run(read);
    },
    get last() {
      return last;
    },
  };
}
