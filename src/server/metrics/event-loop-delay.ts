import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Node's histogram is of the time from one turn to the next, this pause included: an idle loop has 20 ms in it. */
const RESOLUTION_MILLISECONDS = 20;
const WINDOW_MILLISECONDS = 15_000;
const QUANTILES = [
  { quantile: '0.5', percentile: 50 },
  { quantile: '0.99', percentile: 99 },
  { quantile: '1', percentile: 100 },
];

/**
 * By how much the event loop is late. Values are of the last full window and of the present one, whichever is worse, so
 * that a stall is seen however seldom the metrics are read.
 */
export class EventLoopDelay {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MILLISECONDS });
  readonly #timer: NodeJS.Timeout;
  #last: readonly number[] = [];

  constructor() {
    this.#histogram.enable();
    this.#timer = setInterval(() => {
      this.#last = this.#now();
      this.#histogram.reset();
    }, WINDOW_MILLISECONDS).unref();
  }

  quantiles(): readonly { readonly quantile: string; readonly seconds: number }[] {
    const now = this.#now();
    return QUANTILES.map(({ quantile }, at) => ({
      quantile,
      seconds: Math.max(now[at] ?? 0, this.#last[at] ?? 0),
    }));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #now(): readonly number[] {
    if (this.#histogram.count === 0) return [];
    return QUANTILES.map(({ percentile }) => lateness(this.#histogram.percentile(percentile)));
  }
}

function lateness(nanoseconds: number): number {
  return Math.max(0, nanoseconds / 1e9 - RESOLUTION_MILLISECONDS / 1000);
}
