import type { FeedEntry } from '../../../consent/change-feed.ts';
import type { Consents } from '../../../consent/consents.ts';
import { isRefusal } from '../../../errors.ts';
import type { Log } from '../../../events.ts';
import { BackgroundLoop } from '../../../remote/background-loop.ts';
import type { Webhook } from './webhook.ts';
import type { WebhookPlace } from './webhook-place.ts';

interface WebhookDeliveryOptions {
  readonly webhook: Pick<Webhook, 'host' | 'deliver'>;
  readonly place: WebhookPlace;
  readonly consents: Pick<Consents, 'readChanges'>;
  readonly log: Log;
  /** Interval of looks at the feed. Default 1. */
  readonly lookSeconds?: number;
  /** Default 300. */
  readonly longestPauseSeconds?: number;
}

const LOOK_SECONDS = 1;
/** Shorter than the turn of a process, which is held on during a pause. */
const HOLD_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 300;
const PAGE = 100;
/** Consents whose changes are delivered at the same time. */
const MAX_AT_ONCE = 8;
/** Refusals of one change by a receiver that answers, before the change is left out. */
const MAX_REFUSALS = 12;
/** Answers that ask for a later try. */
const LATER: readonly number[] = [408, 429];

interface Failure {
  readonly entry: FeedEntry;
  readonly error: unknown;
}

/**
 * Delivers the changes of all consents to one address of the bank: each at least once, those of one consent in their order,
 * by one process at a time. A failure stops the delivery for a while, which doubles up to five minutes; the changes wait in
 * the feed. A receiver that answers and refuses one change time and again loses this one, with an event that names it.
 */
export class WebhookDelivery {
  readonly #options: WebhookDeliveryOptions;
  readonly #loop: BackgroundLoop;
  /** Numbers of changes that the receiver has refused for good. */
  readonly #leftOut = new Set<number>();
  #failures = 0;
  #refusals = 0;
  /** On the monotonic clock, in milliseconds. */
  #pausedUntil = 0;

  constructor(options: WebhookDeliveryOptions) {
    this.#options = options;
    const look = options.lookSeconds ?? LOOK_SECONDS;
    this.#loop = new BackgroundLoop(look, () => this.#turn(look));
  }

  async close(): Promise<void> {
    await this.#loop.close();
    await this.#options.place.leave().catch(() => undefined);
  }

  async #turn(look: number): Promise<number> {
    const { place, log, webhook } = this.#options;
    try {
      if (!(await place.hold())) return look;
      const pause = (this.#pausedUntil - performance.now()) / 1000;
      if (pause > 0) return Math.min(pause, HOLD_SECONDS);
      return (await this.#deliverPage()) ? 0 : look;
    } catch (error) {
      // The store does not answer, or a fault of the program: the loop goes on.
      log.emit('bank.webhook.failed', { url: webhook.host, error });
      return HOLD_SECONDS;
    }
  }

  /** Delivers what there is: true when there may be more. */
  async #deliverPage(): Promise<boolean> {
    const { place, consents } = this.#options;
    const after = await place.received();
    const { entries, next } = await consents.readChanges({ after, limit: PAGE });
    const { undelivered, failure } = await this.#deliver(entries);
    const reached = undelivered === undefined ? next : undelivered.number - 1;
    if (reached > after) await place.note(reached);
    if (failure !== undefined) this.#pause(failure);
    if (undelivered !== undefined) return false;
    this.#failures = 0;
    this.#refusals = 0;
    this.#leftOut.clear();
    return entries.length === PAGE;
  }

  async #deliver(entries: readonly FeedEntry[]) {
    const { webhook, place } = this.#options;
    const queues = [...Map.groupBy(entries, ({ consentId }) => consentId).values()];
    const delivered = new Set(this.#leftOut);
    let failure: Failure | undefined;
    let isOver = false;
    const deliverOne = async (entry: FeedEntry) => {
      // Without the turn another process would deliver too.
      isOver ||= !(await place.hold());
      if (isOver || delivered.has(entry.number)) return;
      await webhook.deliver(entry).then(
        () => delivered.add(entry.number),
        (error: unknown) => {
          failure ??= { entry, error };
          isOver = true;
        },
      );
    };
    const workers = Array.from({ length: MAX_AT_ONCE }, async () => {
      for (let queue = queues.shift(); queue !== undefined && !isOver; queue = queues.shift()) {
        for (const entry of queue) await deliverOne(entry);
      }
    });
    await Promise.all(workers);
    return { undelivered: entries.find(({ number }) => !delivered.has(number)), failure };
  }

  #pause({ entry, error }: Failure): void {
    const { webhook, log, longestPauseSeconds = LONGEST_PAUSE_SECONDS } = this.#options;
    const status = isRefusal(error, 'ERR_OUTBOUND_ANSWER') ? (error.details.status ?? 0) : 0;
    const isRefused = status >= 400 && status < 500 && !LATER.includes(status);
    this.#refusals = isRefused ? this.#refusals + 1 : 0;
    if (this.#refusals >= MAX_REFUSALS) {
      this.#refusals = 0;
      this.#failures = 0;
      this.#leftOut.add(entry.number);
      const { consentId, number: count } = entry;
      log.emit('bank.webhook.dropped', { url: webhook.host, consentId, count, status });
      return;
    }
    const seconds = Math.min(2 ** this.#failures, longestPauseSeconds);
    this.#failures += 1;
    this.#pausedUntil = performance.now() + seconds * 1000;
    log.emit('bank.webhook.failed', { url: webhook.host, count: entry.number, seconds, error });
  }
}
