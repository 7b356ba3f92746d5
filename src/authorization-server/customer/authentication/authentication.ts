import type { Context } from 'koa';
import { type Clock, epochSeconds } from '../../../clock.ts';
import { isRefusal } from '../../../errors.ts';
import { psuField } from '../../../consent/psu-name.ts';
import type { Log } from '../../../events.ts';
import type { AspspCalls } from '../bank/aspsp-calls.ts';
import type { StrongAuthenticationCalls } from '../bank/strong-authentication-calls.ts';
import type { Pages } from '../pages/pages.ts';
import { AttemptCounts } from './attempt-counts.ts';
import { assertMet } from './authentication-requirements.ts';
import { BankSteps } from './bank-steps.ts';
import { isStrong } from './elements.ts';
import { FactorSteps } from './factor-steps.ts';
import type { Factor } from './factors/factor.ts';
import type { LoginAttempts } from './login-attempts.ts';
import type { Occasion, Progress, Proved } from './occasion.ts';
import { acrOf, type Level, ScaPolicy } from './sca-policy.ts';
import type { StrongAuthentications } from './strong-authentications.ts';

export interface AuthenticationOptions {
  readonly aspsp: AspspCalls;
  /** Authentication contexts that logins can reach. */
  readonly acrValues: readonly string[];
  readonly attempts: LoginAttempts;
  readonly pages: Pages;
  /** Absent: the bank's own steps are the whole authentication. */
  readonly strong?: StrongAuthenticationParts | undefined;
  /** Names customers in events. */
  readonly secret: Buffer;
  readonly clock: Clock;
  readonly log: Log;
}

/** The parts of strong customer authentication by this server. */
export interface StrongAuthenticationParts {
  /** The preferred first. */
  readonly factors: readonly Factor[];
  readonly calls: StrongAuthenticationCalls;
  readonly remembered: StrongAuthentications;
}

/**
 * The authentication of a customer: the bank's own steps, then as many elements as the request needs. Every step counts
 * attempts, and is for the request that was shown at the beginning: another request voids everything.
 */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #attempts: AttemptCounts;
  readonly #bank: BankSteps;
  readonly #policy: ScaPolicy | undefined;
  readonly #factors: FactorSteps | undefined;

  constructor(options: AuthenticationOptions) {
    const { strong, clock } = options;
    this.#options = options;
    this.#attempts = new AttemptCounts(options.attempts);
    this.#bank = new BankSteps({ ...options, attempts: this.#attempts });
    this.#policy = strong && new ScaPolicy({ ...strong, clock });
    this.#factors =
      strong &&
      this.#policy &&
      new FactorSteps({ ...options, ...strong, policy: this.#policy, attempts: this.#attempts });
  }

  /** Shows the step where the customer is. Begins the authentication when there is none yet. */
  async show(ctx: Context, occasion: Occasion): Promise<void> {
    const progress = occasion.progress ?? (await this.#bank.begin(occasion));
    if (hasChanged(occasion, progress)) return occasion.end(ctx, 'changed');
    if (progress.step.by === 'bank') return this.#bank.show(ctx, occasion, progress);
    return this.#advance(ctx, occasion, await this.#factors?.show(ctx, occasion, progress));
  }

  /** Judges the customer's answer to the step; the next page follows. */
  async answer(ctx: Context, occasion: Occasion, form: URLSearchParams): Promise<void> {
    const progress = occasion.progress ?? (await this.#bank.begin(occasion));
    if (hasChanged(occasion, progress)) return occasion.end(ctx, 'changed');
    // Of the page of an earlier step, by the back button or in another tab.
    if ((form.get('step') ?? '0') !== String(progress.number)) return this.show(ctx, occasion);
    const { step } = progress;
    const next =
      step.by === 'bank'
        ? await this.#bank.answer(ctx, occasion, { progress, step: step.step, form })
        : await this.#factors?.answer(ctx, occasion, { progress, form });
    return this.#advance(ctx, occasion, next);
  }

  /** Asks for one more element, or finishes. Undefined progress: the customer sees a page already. */
  async #advance(ctx: Context, occasion: Occasion, progress: Progress | undefined): Promise<void> {
    const proved = progress?.proved;
    if (progress === undefined || proved === undefined) return;
    if (this.#policy === undefined) {
      const { acr } = proved;
      return this.#finish(ctx, occasion, { progress, proved, acr, isStrong: isStrong(proved.kinds) });
    }
    const level = await this.#policy.levelOf(occasion, proved);
    if (level === undefined) return this.#factors?.begin(ctx, occasion, { ...progress, proved });
    await this.#remember(occasion, proved, level);
    const acr = acrOf(level, occasion.requirements.acrValues, this.#options.acrValues);
    return this.#finish(ctx, occasion, { progress, proved, acr, isStrong: level === 'strong' });
  }

  /** For the exemption of later accesses (RTS article 10a). */
  async #remember({ context, isPayment }: Occasion, { psuId }: Proved, level: Level): Promise<void> {
    const { strong } = this.#options;
    if (level === 'strong' && !isPayment && context.tpp !== undefined) {
      await strong?.remembered.note(psuId, context.tpp.authorizationNumber);
    }
  }

  /** A login that does not meet the request ends it: another one would not be better. */
  async #finish(
    ctx: Context,
    occasion: Occasion,
    login: {
      readonly progress: Progress;
      readonly proved: Proved;
      readonly acr: string | undefined;
      readonly isStrong: boolean;
    },
  ): Promise<void> {
    const { clock, log, secret } = this.#options;
    const { progress, proved, acr } = login;
    const { psuId, kinds } = proved;
    const authTime = new Date((proved.authTime ?? epochSeconds(clock.now())) * 1000);
    await this.#attempts.forget(progress);
    const events = { ...occasion.events, ...psuField(secret, psuId) };
    try {
      assertMet(occasion.requirements, { psuId, acr, authTime }, clock.now());
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.emit('psu.login.unmet', { ...events, error });
      return occasion.refuse(ctx, error);
    }
    const { linkHash } = progress;
    const amr = isStrong(kinds) ? [...new Set([...proved.amr, 'mfa'])] : proved.amr;
    log.emit('psu.authenticated', { ...events, outcome: amr.join(' ') });
    return occasion.finish(ctx, { psuId, amr, acr, authTime, linkHash, isStrong: login.isStrong });
  }
}

/** A change of one cent or one letter since the beginning (RTS article 5(1)(d)). */
function hasChanged({ context }: Occasion, { linkHash }: Progress): boolean {
  return context.linkHash !== linkHash;
}
