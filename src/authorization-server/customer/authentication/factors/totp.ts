import { Secret, TOTP } from 'otpauth';
import type { Clock } from '../../../../clock.ts';
import type { TotpSecret } from '../../bank/strong-authentication.ts';
import {
  CHALLENGE_SECONDS,
  type Factor,
  type FactorChallenge,
  type FactorOutcome,
  type FactorQuestion,
} from './factor.ts';
import type { FactorChallengeView } from './factor-view.ts';
import type { UsedAnswers } from './used-answers.ts';

interface TotpOptions {
  readonly clock: Clock;
  readonly used: Pick<UsedAnswers, 'use'>;
}

/** Steps before and after the present one that are accepted (RFC 6238 §5.2). */
const WINDOW = 1;

/**
 * A code of the customer's generator (RFC 6238): possession of its key. The code of a step is accepted once, also when another
 * authentication has used it. The code knows nothing of amount and payee, so it approves no payment.
 */
export class TotpFactor implements Factor {
  readonly name = 'totp';
  readonly isLinked = false;
  readonly sendsMessage = false;
  readonly isAnsweredElsewhere = false;
  readonly #options: TotpOptions;

  constructor(options: TotpOptions) {
    this.#options = options;
  }

  async isAvailable({ factors }: Pick<FactorQuestion, 'factors'>): Promise<boolean> {
    return factors.totp !== undefined;
  }

  async begin(): Promise<FactorChallenge> {
    const expiresAt = new Date(this.#options.clock.now().getTime() + CHALLENGE_SECONDS * 1000);
    return { state: null, expiresAt };
  }

  async view({ factors }: FactorQuestion): Promise<FactorChallengeView> {
    return { factor: 'totp', digits: digitsOf(factors.totp) };
  }

  async verify(
    { psuId, factors: { totp } }: FactorQuestion,
    _challenge: FactorChallenge,
    form: URLSearchParams,
  ): Promise<FactorOutcome> {
    const token = (form.get('answer') ?? '').replace(/\s/g, '');
    if (totp === undefined || !/^\d{6,8}$/.test(token)) return { type: 'refused' };
    const { algorithm = 'SHA1', periodSeconds: period = 30 } = totp;
    const timestamp = this.#options.clock.now().getTime();
    const generator = { algorithm, period, digits: digitsOf(totp), secret: Secret.fromBase32(totp.secret) };
    const delta = TOTP.validate({ ...generator, token, timestamp, window: WINDOW });
    if (delta === null) return { type: 'refused' };
    const step = TOTP.counter({ period, timestamp }) + delta;
    const until = new Date((step + WINDOW + 2) * period * 1000);
    const isFirst = await this.#options.used.use('totp', `${psuId}\0${step}`, until);
    return isFirst ? { type: 'proved', amr: ['otp'], kinds: ['possession'] } : { type: 'refused' };
  }
}

function digitsOf(totp: TotpSecret | undefined): number {
  return totp?.digits ?? 6;
}
