import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { OutboundResponse } from '../../remote/outbound.ts';
import { QuestionQueue } from './question-queue.ts';

export interface IssuerQuestionsOptions {
  readonly clock: Clock;
  /** The refusal of a question that has no answer. */
  readonly unavailable: (problem: string, cause?: unknown) => Error;
}

/** Failures in a row after which the issuer is left alone for a while: one failure may be an accident. */
const MAX_FAILURES = 2;
const COOL_DOWN_SECONDS = 1;
/** As many as the connections to the issuer. */
const MAX_RUNNING = 16;
const MAX_WAITING = 512;

/**
 * Questions to the issuer: a few at once, callers in turn. An issuer that does not answer, or fails itself (5xx), is left
 * alone for a while.
 */
export class IssuerQuestions {
  readonly #options: IssuerQuestionsOptions;
  readonly #queue: QuestionQueue;
  #failures = 0;
  #failedAt = -Infinity;

  constructor(options: IssuerQuestionsOptions) {
    this.#options = options;
    this.#queue = new QuestionQueue({
      maxRunning: MAX_RUNNING,
      maxWaiting: MAX_WAITING,
      full: () => options.unavailable('too many questions at once'),
    });
  }

  /**
   * The answer to a question of `caller`, which throws ERR_OUTBOUND_FAILED for a failure of the issuer.
   *
   * @throws what `unavailable` makes
   */
  async ask<T>(caller: string, question: () => Promise<T>): Promise<T> {
    this.#assertNotCoolingDown();
    return this.#queue.ask(caller, () => this.#put(question));
  }

  /** Notes that the caller has presented a live token: it takes precedence. */
  noteProven(caller: string): void {
    this.#queue.noteProven(caller);
  }

  async #put<T>(question: () => Promise<T>): Promise<T> {
    // Again, since the question may have waited for the failures of others.
    this.#assertNotCoolingDown();
    try {
      const answer = await question();
      this.#failures = 0;
      return answer;
    } catch (cause) {
      if (isRefusal(cause, 'ERR_OUTBOUND_FAILED')) {
        this.#failures += 1;
        this.#failedAt = this.#now();
      }
      throw this.#options.unavailable('no usable answer', cause);
    }
  }

  #assertNotCoolingDown(): void {
    if (this.#failures >= MAX_FAILURES && this.#now() - this.#failedAt < COOL_DOWN_SECONDS * 1000) {
      throw this.#options.unavailable('cool-down');
    }
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

/** The answer of an issuer that has not failed itself. @throws ERR_OUTBOUND_FAILED for a 5xx */
export function answered(response: OutboundResponse, issuer: string): OutboundResponse {
  if (response.status < 500) return response;
  const { host } = new URL(issuer);
  throw new OpenBankingError('ERR_OUTBOUND_FAILED', { host, problem: `status ${response.status}` });
}
