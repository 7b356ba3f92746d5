import { LRUCache } from 'lru-cache';
import type { Context } from 'koa';
import type { Clock, Consent } from '../../../index.ts';
import { berlinRefusal } from './berlin-refusals.ts';

/** Consents that a demonstration reads from; the oldest are forgotten. */
const MAX_COUNTED = 1000;
const DAY_MILLISECONDS = 86_400_000;

/**
 * Counts the requests that no customer waits for: those without `PSU-IP-Address`. Each resource of a consent may be asked
 * for as often in a day as the customer allowed (RTS article 36(5)(b)).
 */
export class UnattendedAccess {
  readonly #clock: Clock;
  readonly #times = new LRUCache<string, readonly number[]>({ max: MAX_COUNTED });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws ACCESS_EXCEEDED */
  count(ctx: Context, { consentId, details: [detail] }: Consent): void {
    if (ctx.get('psu-ip-address') !== '') return;
    const now = this.#clock.now().getTime();
    const key = `${consentId} ${ctx.path}`;
    const ofToday = (this.#times.get(key) ?? []).filter((time) => time > now - DAY_MILLISECONDS);
    const allowed = typeof detail?.frequencyPerDay === 'number' ? detail.frequencyPerDay : 1;
    if (ofToday.length >= allowed) {
      throw berlinRefusal('ACCESS_EXCEEDED', `the customer allowed ${allowed} unattended requests a day`);
    }
    this.#times.set(key, [...ofToday, now]);
  }
}
