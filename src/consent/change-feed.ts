import type { Clock } from '../clock.ts';
import type { PayloadEncryption } from '../storage/record-protection.ts';
import type { Store } from '../storage/store.ts';
import type { Consent, ConsentChange } from './consent.ts';

/** One change of a consent, in the order of all changes. */
export interface FeedEntry extends ConsentChange {
  readonly consentId: string;
}

/** Entries in their order, and where to read on. */
export interface FeedPage {
  readonly entries: readonly FeedEntry[];
  /** The number after which the next page begins; the same as before where there is nothing new. */
  readonly next: number;
}

export interface ChangeFeedOptions {
  readonly store: Pick<Store, 'allocate' | 'put' | 'find'>;
  readonly clock: Clock;
  readonly encryption: PayloadEncryption;
}

const KIND = 'ConsentChange';
const COUNTER = 'consent-changes';
const KEPT_SECONDS = 30 * 24 * 3600;
/** Longer than any write takes: what is announced and not there by then will not come. */
const WRITE_SECONDS = 30;
/** Numbers that one page looks at. */
const MAX_NUMBERS = 1000;
const AT_ONCE = 50;

interface Announcement {
  readonly consentId: string;
  readonly at: number;
  /** The change was refused: a reader need not wait for it. */
  readonly isWithdrawn?: true;
}

/**
 * The changes of all consents, in one order for all processes. A change takes its number and is announced before it is
 * written, so that none is lost with a process. A reader finds the change in the history of the consent: an announcement
 * without it was no change, or is one that is being written. Changes are kept for 30 days here.
 */
export class ChangeFeed {
  readonly #options: ChangeFeedOptions;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
  }

  /** The number of a change that is about to be written. @throws ERR_STORAGE_UNAVAILABLE */
  async announce(consentId: string): Promise<number> {
    const { store, clock } = this.#options;
    const number = (await store.allocate(COUNTER, 1)) + 1;
    await this.#put(number, { consentId, at: clock.now().getTime() });
    return number;
  }

  /** The announced change will not come. @throws ERR_STORAGE_UNAVAILABLE */
  withdraw(number: number, consentId: string): Promise<void> {
    return this.#put(number, { consentId, at: this.#options.clock.now().getTime(), isWithdrawn: true });
  }

  async #put(number: number, announcement: Announcement): Promise<void> {
    const { store, encryption } = this.#options;
    await store.put(KIND, String(number), {
      value: encryption.encrypt(announcement, boundTo(number)),
      expiresAt: new Date(announcement.at + KEPT_SECONDS * 1000),
    });
  }

  /**
   * The changes after a number, at most `limit`. A page can have fewer than there are, and none: read on from `next`.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async read(
    { after, limit }: { readonly after: number; readonly limit: number },
    find: (consentId: string) => Promise<Consent | undefined>,
  ): Promise<FeedPage> {
    const { store, clock } = this.#options;
    const newest = await store.allocate(COUNTER, 0);
    const last = Math.min(newest, after + MAX_NUMBERS);
    const isPart = last < newest;
    const settled = clock.now().getTime() - WRITE_SECONDS * 1000;
    const entries: FeedEntry[] = [];
    let next = after;
    while (next < last && entries.length < limit) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, last - next) }, (_, at) => next + at + 1);
      const announced = await Promise.all(numbers.map((number) => this.#announcement(number)));
      const takenBefore = announced.at(-1)?.at ?? (await this.#nextTime(next + numbers.length, last, isPart));
      for (const [at, number] of numbers.entries()) {
        const one = announced[at];
        if (one?.isWithdrawn === true) {
          next = number;
          continue;
        }
        const consent = one === undefined ? undefined : await find(one.consentId);
        const change = consent?.history.find((known) => known.number === number);
        if (consent !== undefined && change !== undefined) {
          entries.push({ consentId: consent.consentId, ...change });
        } else {
          // A number without an announcement was taken before the next one that has one.
          const later = announced.slice(at).find((other) => other !== undefined);
          if ((later?.at ?? takenBefore) > settled) return { entries, next: number - 1 };
        }
        next = number;
        if (entries.length === limit) break;
      }
    }
    return { entries, next };
  }

  /** The time of the next announcement after a number. Where the rest of a page of many has none, they are no longer kept. */
  async #nextTime(number: number, last: number, isPart: boolean): Promise<number> {
    for (let next = number; next < last; next += AT_ONCE) {
      const numbers = Array.from({ length: Math.min(AT_ONCE, last - next) }, (_, at) => next + at + 1);
      const announced = await Promise.all(numbers.map((one) => this.#announcement(one)));
      const first = announced.find((one) => one !== undefined);
      if (first !== undefined) return first.at;
    }
    return isPart ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  async #announcement(number: number): Promise<Announcement | undefined> {
    const { store, encryption } = this.#options;
    const record = await store.find(KIND, String(number));
    return record === undefined
      ? undefined
      : (encryption.decrypt(record.value, boundTo(number)) as Announcement);
  }
}

function boundTo(number: number): string {
  return `${KIND}\0${number}`;
}
