import { type RateLimiterRes, RateLimiterMemory } from 'rate-limiter-flexible';
import { OpenBankingError } from '../../errors.ts';
import { Provider } from '../provider-internals.ts';

/** Records that one client may make in a minute. */
export interface ClientLimits {
  /** Pushed authorization requests, which stay longest, and backchannel requests. */
  readonly pushedRequestsPerMinute: number;
  /** All others: tokens, codes, identifiers of assertions; and as many interactions and sessions of browsers. */
  readonly recordsPerMinute: number;
}

const MINUTE_SECONDS = 60;
/** Requests that wait for a customer. */
const WAITING: ReadonlySet<string> = new Set([
  'PushedAuthorizationRequest',
  'BackchannelAuthenticationRequest',
]);
/** Records that any browser makes, without the client: they must not use up the client's tokens. */
const OF_BROWSERS: ReadonlySet<string> = new Set(['Interaction', 'Session']);

/**
 * Bounds the records of one client, so that no client can fill the store. Counts in this process: a server of several
 * processes allows each of them the limit.
 */
export class RecordLimits {
  readonly #pushed: RateLimiterMemory;
  readonly #browsers: RateLimiterMemory;
  readonly #others: RateLimiterMemory;

  readonly #limits: ClientLimits;

  /** The limits are read at each record: changed ones count at once. */
  constructor(limits: ClientLimits) {
    const { pushedRequestsPerMinute, recordsPerMinute } = limits;
    this.#limits = limits;
    this.#pushed = new RateLimiterMemory({ points: pushedRequestsPerMinute, duration: MINUTE_SECONDS });
    this.#browsers = new RateLimiterMemory({ points: recordsPerMinute, duration: MINUTE_SECONDS });
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
    const limiter = this.#limiterOf(model);
    const { pushedRequestsPerMinute, recordsPerMinute } = this.#limits;
    limiter.points = limiter === this.#pushed ? pushedRequestsPerMinute : recordsPerMinute;
    await limiter.consume(clientId).catch((answer: RateLimiterRes) => {
      const seconds = Math.ceil(answer.msBeforeNext / 1000);
      throw new OpenBankingError('ERR_CLIENT_LIMIT', { clientId, model, limit: limiter.points, seconds });
    });
  }

  #limiterOf(model: string): RateLimiterMemory {
    if (WAITING.has(model)) return this.#pushed;
    return OF_BROWSERS.has(model) ? this.#browsers : this.#others;
  }
}
