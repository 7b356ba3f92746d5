import { LRUCache } from 'lru-cache';

/** Customers of a demonstration, and the messages that each phone keeps. */
const MAX_PHONES = 100;
const MAX_MESSAGES = 5;

/** The text messages on the customers' phones: no operator carries those of a demonstration. */
export class PhoneMessages {
  readonly #messages = new LRUCache<string, readonly string[]>({ max: MAX_PHONES });

  send(psuId: string, text: string): void {
    this.#messages.set(psuId, [text, ...this.of(psuId)].slice(0, MAX_MESSAGES));
  }

  /** Newest first. */
  of(psuId: string): readonly string[] {
    return this.#messages.get(psuId) ?? [];
  }
}
