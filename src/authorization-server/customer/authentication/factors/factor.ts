import type { AskedOf, CustomerFactors } from '../../bank/strong-authentication.ts';
import type { ElementKind } from '../elements.ts';
import type { FactorChallengeView } from './factor-view.ts';

/** The elements that this server asks for, after the bank's own steps. */
export const FACTOR_NAMES = ['passkey', 'app', 'code', 'totp'] as const;
export type FactorName = (typeof FACTOR_NAMES)[number];

/** Life of a challenge: as long as a step may wait for the customer. */
export const CHALLENGE_SECONDS = 5 * 60;

/** For whom, and for which request, an element is asked for. */
export interface FactorQuestion extends Omit<AskedOf, 'expiresAt'> {
  /** Names the authentication: a challenge is good for one. */
  readonly occasionId: string;
  readonly factors: CustomerFactors;
}

/** A challenge, as the authentication keeps it: encrypted in the store, never sent to the browser. */
export interface FactorChallenge {
  /** JSON, of the module itself. */
  readonly state: unknown;
  readonly expiresAt: Date;
}

/**
 * The judgement on an answer. `waiting`: there is no answer yet. `ended`: this challenge has no right answer any more.
 * `rejected`: the customer has said no.
 */
export type FactorOutcome =
  | {
      readonly type: 'proved';
      /** RFC 8176. */
      readonly amr: readonly string[];
      readonly kinds: readonly ElementKind[];
    }
  | { readonly type: 'refused' | 'waiting' | 'ended' | 'rejected' };

/**
 * One element of strong customer authentication. A module makes challenges and judges answers; order, attempts and times
 * are those of the authentication.
 */
export interface Factor {
  readonly name: FactorName;
  /**
   * Whether an answer is good for one amount and payee only (RTS article 5(1)(b)). An element that is not linked never
   * approves a payment.
   */
  readonly isLinked: boolean;
  /** Whether `begin` sends the customer a message, of which there is a limited number. */
  readonly sendsMessage: boolean;
  /** Whether the answer comes another way, so that the browser cannot guess it. */
  readonly isAnsweredElsewhere: boolean;
  /** Whether the customer has this element. */
  isAvailable(question: Pick<FactorQuestion, 'psuId' | 'factors'>): Promise<boolean>;
  /** Makes a challenge that is linked to `linkHash` of the question. @throws ERR_ASPSP_UNAVAILABLE */
  begin(question: FactorQuestion): Promise<FactorChallenge>;
  /** The facts of a challenge for its page. */
  view(question: FactorQuestion, challenge: FactorChallenge): Promise<FactorChallengeView>;
  /** Judges the form of the page: `proved` once at most for each challenge. */
  verify(question: FactorQuestion, challenge: FactorChallenge, form: URLSearchParams): Promise<FactorOutcome>;
}
