import { lastingOf, type Metrics, type MetricsJson, sumOf, textOf } from '../metrics/metrics.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Processes that have ended, before their counts are added up. */
const MAX_ENDED = 8;

/**
 * The metrics of this process and of all processes that it has started, added up. Counts of a process that has ended, or
 * does not answer in time, stay at the last ones that are known, so that no counter goes back.
 */
export class SharedMetrics {
  readonly #own: Metrics;
  readonly #running = new Set<WorkerProcess>();
  /** Their last message may come after their end. */
  readonly #ended: WorkerProcess[] = [];
  #sumOfEnded: Promise<MetricsJson> = Promise.resolve([]);
  readonly #asking = new SingleFlight<string>();

  constructor(own: Metrics) {
    this.#own = own;
  }

  follow(worker: WorkerProcess): void {
    this.#running.add(worker);
    void worker.ended.then(() => {
      this.#running.delete(worker);
      this.#ended.push(worker);
      const oldest = this.#ended.length > MAX_ENDED ? this.#ended.shift() : undefined;
      if (oldest === undefined) return;
      const before = this.#sumOfEnded;
      this.#sumOfEnded = before.then((sum) => sumOf([sum, lastingOf(oldest.lastMetrics)]));
    });
  }

  /** As Prometheus reads it, within about a second. */
  text(): Promise<string> {
    return this.#asking.run(async () => {
      const answers = [...this.#running].map(
        async (worker) => (await worker.metrics()) ?? lastingOf(worker.lastMetrics),
      );
      const all = await Promise.all([this.#own.json(), this.#sumOfEnded, ...answers]);
      return textOf([...all, ...this.#ended.map(({ lastMetrics }) => lastingOf(lastMetrics))]);
    });
  }
}
