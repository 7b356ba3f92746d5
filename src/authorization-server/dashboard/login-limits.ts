import type { IncomingMessage } from 'node:http';
import { type RateLimiterRes, RateLimiterMemory } from 'rate-limiter-flexible';
import { OpenBankingError } from '../../errors.ts';
import { networkOf } from '../../network-of.ts';

const MINUTE_SECONDS = 60;
/** Customers of one mobile network may share an address. */
const PER_NETWORK = 120;
const IN_ALL = 1200;

/**
 * Bounds the logins that strangers begin and answer at the dashboard, which no TPP stands behind. Counts in this process. The
 * address is unknown behind a proxy of the bank: the limit in all counts there.
 */
export class LoginLimits {
  readonly #networks = new RateLimiterMemory({ points: PER_NETWORK, duration: MINUTE_SECONDS });
  readonly #all = new RateLimiterMemory({ points: IN_ALL, duration: MINUTE_SECONDS });
  readonly #findAddress: (request: IncomingMessage) => string | undefined;

  constructor(findAddress: (request: IncomingMessage) => string | undefined) {
    this.#findAddress = findAddress;
  }

  /** Counts one request of a browser without a session. @throws ERR_DASHBOARD_BUSY */
  async count(request: IncomingMessage): Promise<void> {
    const address = this.#findAddress(request);
    if (address !== undefined) await consume(this.#networks, networkOf(address));
    await consume(this.#all, 'all');
  }
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<void> {
  await limiter.consume(key).catch((answer: RateLimiterRes) => {
    throw new OpenBankingError('ERR_DASHBOARD_BUSY', { seconds: Math.ceil(answer.msBeforeNext / 1000) });
  });
}
