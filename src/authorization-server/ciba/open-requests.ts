import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import { identifierHash } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';

interface OpenRequestsOptions {
  readonly store: Pick<Store, 'putIfAbsent'>;
  readonly clock: Clock;
  readonly secret: Buffer;
}

const KIND = 'OpenApproval';
/** Questions of one client that one customer may have before him at the same time. */
const MAX_OPEN = 10;

/**
 * Bounds the questions of one client for one customer, so that a TPP cannot fill a customer's device until the customer allows
 * something to have peace. A question has one of ten places until its end, whether it is answered or not.
 */
export class OpenRequests {
  readonly #options: OpenRequestsOptions;
  readonly #hash: (kind: string, id: string) => string;

  constructor(options: OpenRequestsOptions) {
    this.#options = options;
    this.#hash = identifierHash(options.secret);
  }

  /** @param subject the customer, or what stands for one who is not known. @throws ERR_CIBA_LIMIT */
  async count(clientId: string, subject: string, expiresAt: Date): Promise<void> {
    const hash = this.#hash(KIND, JSON.stringify([clientId, subject]));
    for (let place = 0; place < MAX_OPEN; place += 1) {
      if (await this.#options.store.putIfAbsent(KIND, `${hash}.${place}`, { value: null, expiresAt })) return;
    }
    const seconds = Math.ceil((expiresAt.getTime() - this.#options.clock.now().getTime()) / 1000);
    throw new OpenBankingError('ERR_CIBA_LIMIT', { clientId, limit: MAX_OPEN, seconds });
  }
}
