import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { identifierHash } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';

interface OpenRequestsOptions {
  readonly store: Pick<Store, 'putIfAbsent' | 'delete'>;
  readonly clock: Clock;
  readonly secret: Buffer;
  readonly rules: {
    /** Questions of one client that one customer may have before him at the same time. */
    readonly openRequestsPerCustomer: number;
  };
}

const KIND = 'OpenApproval';

/**
 * Bounds the questions of one client for one customer, so that a TPP cannot fill a customer's device until the customer allows
 * something to have peace. A question has one of a few places until it is answered or ends.
 */
export class OpenRequests {
  readonly #options: OpenRequestsOptions;
  readonly #hash: (kind: string, id: string) => string;

  constructor(options: OpenRequestsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
  }

  /**
   * Takes a place, and returns its name. `subject` is the customer, or the hint that names none.
   *
   * @throws ERR_CIBA_LIMIT
   */
  async take(clientId: string, subject: string, expiresAt: Date): Promise<string> {
    const hash = this.#hash(KIND, JSON.stringify([clientId, subject]));
    const { openRequestsPerCustomer: limit } = this.#options.rules;
    for (let place = 0; place < limit; place += 1) {
      const name = `${hash}.${place}`;
      if (await this.#options.store.putIfAbsent(KIND, name, { value: null, expiresAt })) return name;
    }
    const seconds = Math.ceil((expiresAt.getTime() - this.#options.clock.now().getTime()) / 1000);
    throw new OpenBankingError('ERR_CIBA_LIMIT', { clientId, limit, seconds });
  }

  /** The question is answered. */
  free(place: string): Promise<void> {
    return this.#options.store.delete(KIND, place);
  }
}
