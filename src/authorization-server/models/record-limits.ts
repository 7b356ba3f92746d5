import { type RateLimiterRes, RateLimiterMemory } from 'rate-limiter-flexible';
import { OpenBankingError } from '../../errors.ts';
import { Provider } from '../provider-internals.ts';

/** Records that one client may make in a minute. */
export interface ClientLimits {
  /** Pushed authorization requests, which stay longest. */
  readonly pushedRequestsPerMinute: number;
  /** All others: tokens, codes, interactions, identifiers of assertions. */
  readonly recordsPerMinute: number;
}

const MINUTE_SECONDS = 60;

/**
 * Bounds the records of one client, so that no client can fill the store. Counts in this process: a server of several
 * processes allows each of them the limit.
 */
export class RecordLimits {
  readonly #pushed: RateLimiterMemory;
  readonly #others: RateLimiterMemory;

  constructor({ pushedRequestsPerMinute, recordsPerMinute }: ClientLimits) {
    this.#pushed = new RateLimiterMemory({ points: pushedRequestsPerMinute, duration: MINUTE_SECONDS });
    this.#others = new RateLimiterMemory({ points: recordsPerMinute, duration: MINUTE_SECONDS });
  }

  /**
   * Counts one record of the client of this request.
   *
   * @throws ERR_CLIENT_LIMIT
   */
  async count(model: string): Promise<void> {
    const clientId = Provider.ctx?.oidc.client?.clientId;
    if (clientId === undefined) return;
    const limiter = model === 'PushedAuthorizationRequest' ? this.#pushed : this.#others;
    await limiter.consume(clientId).catch((answer: RateLimiterRes) => {
      const seconds = Math.ceil(answer.msBeforeNext / 1000);
      throw new OpenBankingError('ERR_CLIENT_LIMIT', { clientId, model, limit: limiter.points, seconds });
    });
  }
}
