import { randomBytes } from 'node:crypto';
import { SingleFlight } from '../../../remote/single-flight.ts';
import type { Clock } from '../../../clock.ts';
import { identifierHash } from '../../../storage/record-protection.ts';
import type { Store, StoredRecord } from '../../../storage/store.ts';

interface WebhookPlaceOptions {
  readonly url: string;
  readonly store: Pick<Store, 'find' | 'putIfAbsent' | 'put' | 'replace' | 'delete'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

const TURN = 'WebhookTurn';
const CURSOR = 'WebhookCursor';
/** A process that dies holds its turn for so long. */
const TURN_SECONDS = 15;
/** A turn is held on long before its end: one delivery takes up to five seconds. */
const RENEW_SECONDS = 3;

/**
 * The turn of one process among all that share the store, and how far an address has received the changes. Only the process
 * that has the turn delivers to the address.
 */
export class WebhookPlace {
  readonly #options: WebhookPlaceOptions;
  readonly #id: string;
  readonly #holder = randomBytes(16).toString('base64url');
  readonly #renewals = new SingleFlight<boolean>();
  #turn: StoredRecord | undefined;
  #count = 0;
  /** On the monotonic clock, in milliseconds. */
  #heldUntil = 0;

  constructor(options: WebhookPlaceOptions) {
    this.#options = options;
    this.#id = identifierHash(options.secret)(TURN, options.url);
  }

  /** Takes the turn, or holds the turn for longer: false while another process has the turn. */
  async hold(): Promise<boolean> {
    if (this.#turn !== undefined && performance.now() < this.#heldUntil) return true;
    return this.#renewals.run(() => this.#renew());
  }

  async #renew(): Promise<boolean> {
    const { store, clock } = this.#options;
    this.#count += 1;
    const expiresAt = new Date(clock.now().getTime() + TURN_SECONDS * 1000);
    const record = { value: { holder: this.#holder, count: this.#count }, expiresAt };
    const isHeld =
      this.#turn === undefined
        ? await store.putIfAbsent(TURN, this.#id, record)
        : await store.replace(TURN, this.#turn, record);
    this.#turn = isHeld ? { id: this.#id, ...record } : undefined;
    this.#heldUntil = performance.now() + RENEW_SECONDS * 1000;
    return isHeld;
  }

  /** Gives the turn to the other processes at once. */
  async leave(): Promise<void> {
    if (this.#turn === undefined) return;
    this.#turn = undefined;
    await this.#options.store.delete(TURN, this.#id);
  }

  /** The number of the last change that the address has received. */
  async received(): Promise<number> {
    const record = await this.#options.store.find(CURSOR, this.#id);
    return typeof record?.value === 'number' ? record.value : 0;
  }

  async note(number: number): Promise<void> {
    await this.#options.store.put(CURSOR, this.#id, { value: number });
  }
}
