import { identifierHash } from '../../../../storage/record-protection.ts';
import type { Store } from '../../../../storage/store.ts';

const KIND = 'UsedAnswer';

/** Answers that were accepted: each one once, for all processes that share the store (RTS article 4(1)). */
export class UsedAnswers {
  readonly #store: Pick<Store, 'putIfAbsent'>;
  readonly #hash: (kind: string, id: string) => string;

  constructor({ store, secret }: { readonly store: Pick<Store, 'putIfAbsent'>; readonly secret: Buffer }) {
    this.#store = store;
    this.#hash = identifierHash(secret);
  }

  /** True for one caller only, until a time after which the answer is wrong anyway. @throws ERR_STORAGE_UNAVAILABLE */
  use(factor: string, answer: string, until: Date): Promise<boolean> {
    return this.#store.putIfAbsent(KIND, this.#hash(`${KIND} ${factor}`, answer), {
      value: null,
      expiresAt: until,
    });
  }
}
