import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import { identifierHash, PayloadEncryption } from '../storage/record-protection.ts';
import type { Store } from '../storage/store.ts';
import type { Operator } from './operators/operator.ts';

/** One change by its key and its content. */
export interface KeyedChange {
  readonly operator: Operator;
  readonly idempotencyKey: string;
  /** All that the change consists of. */
  readonly content: unknown;
}

interface Kept {
  readonly fingerprint: string;
  /** Absent while the change is carried out. */
  readonly answer?: unknown;
}

const KIND = 'ManagementChange';
/** How long a repetition gets the answer of the first. */
const KEPT_SECONDS = 86_400;
/** After so long a change without an answer has been broken off. */
const RUNNING_SECONDS = 60;

/** Carries out each change once, by its `Idempotency-Key`, over all processes that share the store. */
export class Repetitions {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #hash: (kind: string, id: string) => string;
  readonly #encryption: PayloadEncryption;

  constructor({ store, clock, secret }: { store: Store; clock: Clock; secret: Buffer }) {
    this.#store = store;
    this.#clock = clock;
    this.#hash = identifierHash(secret);
    this.#encryption = new PayloadEncryption(secret);
  }

  /**
   * Returns the answer of `run`, or that of the first request with this key. A refusal is not kept.
   *
   * @throws ERR_MANAGEMENT_IDEMPOTENCY, ERR_MANAGEMENT_RUNNING
   */
  async once<T>(
    change: KeyedChange,
    run: () => Promise<T>,
  ): Promise<{ readonly answer: T; readonly isFirst: boolean }> {
    const { operator, idempotencyKey, content } = change;
    const id = this.#hash(KIND, JSON.stringify([operator.by, operator.name, idempotencyKey]));
    const fingerprint = createHash('sha256').update(JSON.stringify(content)).digest('base64url');
    const running = { value: this.#encrypted({ fingerprint }, id), expiresAt: this.#in(RUNNING_SECONDS) };
    if (!(await this.#store.putIfAbsent(KIND, id, running))) {
      return { answer: (await this.#earlier(id, fingerprint)) as T, isFirst: false };
    }
    try {
      const answer = await run();
      const value = this.#encrypted({ fingerprint, answer }, id);
      await this.#store.put(KIND, id, { value, expiresAt: this.#in(KEPT_SECONDS) });
      return { answer, isFirst: true };
    } catch (error) {
      await this.#store.delete(KIND, id);
      throw error;
    }
  }

  async #earlier(id: string, fingerprint: string): Promise<unknown> {
    const record = await this.#store.find(KIND, id);
    const kept = record && (this.#encryption.decrypt(record.value, `${KIND}\0${id}`) as Kept);
    if (kept !== undefined && kept.fingerprint !== fingerprint) {
      throw new OpenBankingError('ERR_MANAGEMENT_IDEMPOTENCY', {});
    }
    if (kept === undefined || !('answer' in kept)) throw new OpenBankingError('ERR_MANAGEMENT_RUNNING', {});
    return kept.answer;
  }

  #encrypted(kept: Kept, id: string): string {
    return this.#encryption.encrypt(kept, `${KIND}\0${id}`);
  }

  #in(seconds: number): Date {
    return new Date(this.#clock.now().getTime() + seconds * 1000);
  }
}
