import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Log } from '../events.ts';
import type { Store } from '../storage/store.ts';

export interface ConsentUsesOptions {
  readonly store: Pick<Store, 'find' | 'put'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Longest life of a consent. */
  readonly consentSeconds: number;
}

const KIND = 'ConsentUse';
const DAY_SECONDS = 86_400;
/** A consent is shown two years after its end, and its last use with it. */
const HISTORY_SECONDS = 2 * 366 * DAY_SECONDS;
const MAX_REMEMBERED = 50_000;
/** Writes that wait. What does not fit is written at the next use. */
const MAX_WAITING = 1000;
const CLOSE_SECONDS = 2;

/**
 * The day on which a TPP last used a consent, for the customer: one record a consent, written by each process at most once a
 * day, after the request. A use is a new token, or a question of an API about the consent.
 */
export class ConsentUses {
  readonly #options: ConsentUsesOptions;
  /** Consent → the day that is written, or being written. */
  readonly #days = new LRUCache<string, number>({ max: MAX_REMEMBERED });
  #waiting = 0;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;

  constructor(options: ConsentUsesOptions) {
    this.#options = options;
  }

  /** Takes note of a use. Neither waits nor throws: no request depends on it. */
  note(consentId: string): void {
    const now = this.#options.clock.now();
    const day = dayOf(now);
    if (this.#days.get(consentId) === day || this.#waiting >= MAX_WAITING) return;
    this.#days.set(consentId, day);
    this.#waiting += 1;
    this.#writing = this.#writing.then(async () => {
      await this.#write(consentId, now);
      this.#waiting -= 1;
    });
  }

  /** The time of the first use on the last day with a use. @throws ERR_STORAGE_UNAVAILABLE */
  async lastUseOf(consentId: string): Promise<Date | undefined> {
    const record = await this.#options.store.find(KIND, consentId);
    return typeof record?.value === 'string' ? new Date(record.value) : undefined;
  }

  /** Waits for the writes that are under way, for two seconds at most. */
  async close(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    // Keeps the process alive: without it, a process whose store stands still would end during the wait.
    const timer = setTimeout(resolve, CLOSE_SECONDS * 1000);
    await Promise.race([this.#writing, late]);
    clearTimeout(timer);
  }

  async #write(consentId: string, now: Date): Promise<void> {
    const { store, consentSeconds } = this.#options;
    try {
      await store.put(KIND, consentId, {
        value: now.toISOString(),
        expiresAt: new Date(now.getTime() + (HISTORY_SECONDS + consentSeconds) * 1000),
      });
      this.#isFailing = false;
    } catch (error) {
      this.#days.delete(consentId);
      // One line when a failure begins, not one for each attempt.
      if (!this.#isFailing) this.#options.log.emit('consent.use.unrecorded', { error });
      this.#isFailing = true;
    }
  }
}

function dayOf(at: Date): number {
  return Math.floor(at.getTime() / (DAY_SECONDS * 1000));
}
