import { randomInt } from 'node:crypto';
import type { Clock } from '../../../../clock.ts';
import type { StrongAuthenticationCalls } from '../../bank/strong-authentication-calls.ts';
import { kindsOf } from '../elements.ts';
import type { AppConfirmations } from '../confirmations.ts';
import {
  CHALLENGE_SECONDS,
  type Factor,
  type FactorChallenge,
  type FactorOutcome,
  type FactorQuestion,
} from './factor.ts';
import type { FactorChallengeView } from './factor-view.ts';

interface AppFactorOptions {
  readonly clock: Clock;
  readonly calls: Pick<StrongAuthenticationCalls, 'askInApp'>;
  readonly confirmations: Pick<AppConfirmations, 'open' | 'answerOf' | 'use'>;
}

interface AppState {
  readonly confirmationId: string;
  readonly comparison: string;
}

const MIN_COMPARISON = 10;
const MAX_COMPARISON = 100;

/**
 * The customer confirms in the bank's app, which shows the request: possession of the device, and the kinds of the methods
 * by which the app verified the customer. An answer names the hash of the request that was shown.
 */
export class AppFactor implements Factor {
  readonly name = 'app';
  readonly isLinked = true;
  readonly sendsMessage = true;
  readonly isAnsweredElsewhere = true;
  readonly #options: AppFactorOptions;

  constructor(options: AppFactorOptions) {
    this.#options = options;
  }

  async isAvailable({ factors }: Pick<FactorQuestion, 'factors'>): Promise<boolean> {
    return factors.app !== undefined;
  }

  async begin({ occasionId, factors, ...asked }: FactorQuestion): Promise<FactorChallenge> {
    const { clock, calls, confirmations } = this.#options;
    const comparison = String(randomInt(MIN_COMPARISON, MAX_COMPARISON));
    const expiresAt = new Date(clock.now().getTime() + CHALLENGE_SECONDS * 1000);
    const request = await confirmations.open({ ...asked, comparison, expiresAt });
    await calls.askInApp(request);
    const state: AppState = { confirmationId: request.confirmationId, comparison };
    return { state, expiresAt };
  }

  async view({ factors }: FactorQuestion, { state }: FactorChallenge): Promise<FactorChallengeView> {
    const { comparison } = state as AppState;
    return { factor: 'app', device: factors.app?.device ?? '', comparison };
  }

  async verify({ linkHash }: FactorQuestion, { state, expiresAt }: FactorChallenge): Promise<FactorOutcome> {
    const { clock, confirmations } = this.#options;
    const { confirmationId } = state as AppState;
    const given = await confirmations.answerOf(confirmationId);
    if (given === undefined) return { type: expiresAt <= clock.now() ? 'ended' : 'waiting' };
    if (given.answer === 'rejected') return { type: 'rejected' };
    if (given.linkHash !== linkHash) return { type: 'ended' };
    const kinds = kindsOf(given.amr);
    if (!kinds.includes('possession')) return { type: 'ended' };
    return (await confirmations.use(confirmationId))
      ? { type: 'proved', amr: given.amr, kinds }
      : { type: 'ended' };
  }
}
