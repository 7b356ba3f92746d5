import { type RateLimiterRes, RateLimiterMemory } from 'rate-limiter-flexible';
import { OpenBankingError } from '../../errors.ts';

const MINUTE_SECONDS = 60;
/** Enough for a person who tries, and for a monitor. */
const PER_CERTIFICATE = 10;
const IN_ALL = 300;
const ALL = 'all';

/** Bounds the self-checks, which a certificate of anyone may ask for. Counts in this process. */
export class CheckLimits {
  readonly #certificates = new RateLimiterMemory({ points: PER_CERTIFICATE, duration: MINUTE_SECONDS });
  readonly #all = new RateLimiterMemory({ points: IN_ALL, duration: MINUTE_SECONDS });

  /** Counts one request. @throws ERR_SELF_CHECK_LIMIT */
  async count(thumbprint: string): Promise<void> {
    // Before the count of the certificate: strangers make as many certificates as they like, and each count takes memory.
    const all = await this.#all.get(ALL);
    if (all !== null && all.consumedPoints >= IN_ALL) throw refusal(IN_ALL, all);
    await consume(this.#certificates, thumbprint, PER_CERTIFICATE);
    await consume(this.#all, ALL, IN_ALL);
  }
}

async function consume(limiter: RateLimiterMemory, key: string, limit: number): Promise<void> {
  await limiter.consume(key).catch((answer: RateLimiterRes) => {
    throw refusal(limit, answer);
  });
}

function refusal(limit: number, { msBeforeNext }: RateLimiterRes): OpenBankingError {
  const seconds = Math.max(1, Math.ceil(msBeforeNext / 1000));
  return new OpenBankingError('ERR_SELF_CHECK_LIMIT', { limit, seconds });
}
