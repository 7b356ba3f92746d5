import { createHmac, timingSafeEqual } from 'node:crypto';
import { type Clock, epochSeconds } from '../../../clock.ts';
import { identifierHash, PayloadEncryption } from '../../../storage/record-protection.ts';
import type { Store, StoredRecord } from '../../../storage/store.ts';

/** How the customer proved his identity in the application of the bank. */
export interface VisitLogin {
  readonly psuId: string;
  readonly amr: readonly string[];
  readonly acr?: string | undefined;
  /** Seconds since the epoch. */
  readonly authTime: number;
  /** The hash of what the customer was shown while he proved his identity. */
  readonly linkHash: string;
  readonly isStrong: boolean;
}

/** A visit of a customer to the application of the bank, for one authorization. */
export interface BankVisit {
  /** Of the provider's interaction. */
  readonly uid: string;
  /** Counts the visits of one authorization. The handles of earlier visits are good for nothing. */
  readonly number: number;
  readonly stage: 'sent' | 'opened' | 'authenticated' | 'approved' | 'rejected';
  /** Records of the attempts to authenticate that the application has announced and not answered. */
  readonly attempts: readonly string[];
  /** By whose name the attempts are counted. */
  readonly customerName?: string | undefined;
  readonly login?: VisitLogin | undefined;
  readonly accountIds?: readonly string[] | undefined;
  /** When the application was active last, in seconds since the epoch. */
  readonly seenAt: number;
  readonly expiresAt: string;
}

/** A visit as it was read, for a change that fails when another caller was faster. */
export interface ReadVisit {
  readonly visit: BankVisit;
  readonly record: StoredRecord;
}

export interface BankVisitsOptions {
  readonly store: Pick<Store, 'find' | 'findByIndex' | 'putIfAbsent' | 'replace'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

const KIND = 'BankVisit';
/** A customer who comes back from the application without a decision may go there again so often. */
export const MAX_VISITS = 5;

type Purpose = 'handle' | 'interaction' | 'return';

/**
 * The visits in the store: encrypted, found by keyed hashes. Handle, interaction id and return code are derived from
 * the visit with the secret of the server, so that none of them leads to another and none is kept.
 */
export class BankVisits {
  readonly #options: BankVisitsOptions;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor(options: BankVisitsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
    this.#encryption = new PayloadEncryption(options.secret);
  }

  /** The one-time word that the browser carries to the application. */
  handleOf(visit: BankVisit): string {
    return this.#derived('handle', visit);
  }

  /** By which the application names the visit to the bank API. */
  interactionIdOf(visit: BankVisit): string {
    return this.#derived('interaction', visit);
  }

  /** The word that the browser of the decision carries back. The browser that began the authorization has no other way to it. */
  returnCodeOf(visit: BankVisit): string {
    return this.#derived('return', visit);
  }

  isReturnCode(visit: BankVisit, given: string): boolean {
    const expected = Buffer.from(this.returnCodeOf(visit));
    const found = Buffer.from(given);
    return expected.length === found.length && timingSafeEqual(expected, found);
  }

  /** Begins a visit, the first of an interaction or the next; undefined when there were too many. */
  async begin(uid: string, expiresAt: Date): Promise<BankVisit | undefined> {
    const { store } = this.#options;
    const first = {
      uid,
      stage: 'sent',
      attempts: [],
      seenAt: this.#now(),
      expiresAt: expiresAt.toISOString(),
    } as const;
    const id = this.#hash(KIND, uid);
    for (;;) {
      const last = await this.findByUid(uid);
      const number = (last?.visit.number ?? 0) + 1;
      if (number > MAX_VISITS) return undefined;
      const visit = { ...first, number };
      const record = this.#recordOf(visit);
      const isBegun =
        last === undefined
          ? await store.putIfAbsent(KIND, id, record)
          : await store.replace(KIND, last.record, record);
      if (isBegun) return visit;
    }
  }

  findByUid(uid: string): Promise<ReadVisit | undefined> {
    return this.#restored(this.#options.store.find(KIND, this.#hash(KIND, uid)));
  }

  findByHandle(handle: string): Promise<ReadVisit | undefined> {
    return this.#restored(this.#options.store.findByIndex(KIND, 'handle', this.#hash('handle', handle)));
  }

  findByInteractionId(interactionId: string): Promise<ReadVisit | undefined> {
    const value = this.#hash('interaction', interactionId);
    return this.#restored(this.#options.store.findByIndex(KIND, 'interaction', value));
  }

  /** Changes a visit: true for one of all callers that have read the same. */
  async change({ visit, record }: ReadVisit, change: Partial<BankVisit>): Promise<boolean> {
    return this.#options.store.replace(
      KIND,
      record,
      this.#recordOf({ ...visit, ...change, seenAt: this.#now() }),
    );
  }

  /** When the customer was active last in the application, in seconds since the epoch. */
  async lastSeen(uid: string): Promise<number | undefined> {
    return (await this.findByUid(uid))?.visit.seenAt;
  }

  #now(): number {
    return epochSeconds(this.#options.clock.now());
  }

  #recordOf(visit: BankVisit) {
    const id = this.#hash(KIND, visit.uid);
    return {
      value: this.#encryption.encrypt(visit, boundTo(id)),
      expiresAt: new Date(visit.expiresAt),
      indexes: {
        handle: this.#hash('handle', this.handleOf(visit)),
        interaction: this.#hash('interaction', this.interactionIdOf(visit)),
      },
    };
  }

  async #restored(found: Promise<StoredRecord | undefined>): Promise<ReadVisit | undefined> {
    const record = await found;
    if (record === undefined) return undefined;
    return { visit: this.#encryption.decrypt(record.value, boundTo(record.id)) as BankVisit, record };
  }

  #derived(purpose: Purpose, { uid, number }: BankVisit): string {
    const text = `bank visit\0${purpose}\0${uid}\0${number}`;
    return createHmac('sha256', this.#options.secret).update(text).digest('base64url');
  }
}

function boundTo(id: string): string {
  return `${KIND}\0${id}`;
}
