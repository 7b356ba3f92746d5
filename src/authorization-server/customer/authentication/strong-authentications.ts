import type { Clock } from '../../../clock.ts';
import { identifierHash } from '../../../storage/record-protection.ts';
import type { Store } from '../../../storage/store.ts';

export interface StrongAuthenticationsOptions {
  readonly store: Pick<Store, 'find' | 'put'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

const KIND = 'StrongAuthentication';
/** RTS article 10a(2)(b), as amended by (EU) 2022/2360. */
const SECONDS = 180 * 86_400;

/** The last strong customer authentication of each customer for each TPP, for 180 days. Names are keyed hashes. */
export class StrongAuthentications {
  readonly #options: StrongAuthenticationsOptions;
  readonly #hash: (kind: string, id: string) => string;

  constructor(options: StrongAuthenticationsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
  }

  async note(psuId: string, authorizationNumber: string): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock.now();
    await store.put(KIND, this.#idOf(psuId, authorizationNumber), {
      value: now.toISOString(),
      expiresAt: new Date(now.getTime() + SECONDS * 1000),
    });
  }

  /** Undefined for the first access, and when the last one is over. */
  async lastAt(psuId: string, authorizationNumber: string): Promise<Date | undefined> {
    const record = await this.#options.store.find(KIND, this.#idOf(psuId, authorizationNumber));
    return record === undefined ? undefined : new Date(String(record.value));
  }

  #idOf(psuId: string, authorizationNumber: string): string {
    return this.#hash(KIND, `${psuId}\0${authorizationNumber}`);
  }
}
