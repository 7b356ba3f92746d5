import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import { isRefusal, OpenBankingError } from '../errors.ts';

export interface CircuitBreakerOptions {
  readonly clock: Clock;
  /** How long an address that did not answer gets no request. */
  readonly coolDownSeconds: number;
}

/** Failures in a row after which an address gets no request for a while: one failure may be an accident. */
const MAX_FAILURES = 2;
/** Addresses whose failures are counted: more than there are issuers in use. */
const MAX_ADDRESSES = 1000;

/**
 * Refuses requests to an address that failed a moment ago, so that not every caller waits for its time limit. An answer
 * that refuses one request, or cannot be used, is no failure of the address.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  readonly #failures = new LRUCache<string, { readonly count: number; readonly at: number }>({
    max: MAX_ADDRESSES,
  });

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** @throws ERR_OUTBOUND_FAILED while the circuit of `url` is open, and whatever `fetch` throws */
  async run<T>(url: string, fetch: () => Promise<T>): Promise<T> {
    const failed = this.#failures.get(url) ?? { count: 0, at: 0 };
    const now = this.#now();
    if (this.isOpen(url)) {
      const host = URL.parse(url)?.host ?? '';
      throw new OpenBankingError('ERR_OUTBOUND_FAILED', { host, problem: 'it did not answer a moment ago' });
    }
    try {
      const value = await fetch();
      this.#failures.delete(url);
      return value;
    } catch (error) {
      if (isRefusal(error, 'ERR_OUTBOUND_FAILED')) {
        this.#failures.set(url, { count: failed.count + 1, at: now });
      } else if (isRefusal(error, 'ERR_OUTBOUND_ANSWER')) this.#failures.delete(url);
      throw error;
    }
  }

  /** Whether a request to `url` would be refused now. */
  isOpen(url: string): boolean {
    const failed = this.#failures.get(url);
    return (
      failed !== undefined &&
      failed.count >= MAX_FAILURES &&
      this.#now() - failed.at < this.#options.coolDownSeconds
    );
  }

  #now(): number {
    return this.#options.clock.now().getTime() / 1000;
  }
}
