import { isRefusal, type OpenBankingError } from '../errors.ts';
import type { Certificate } from '../x509/certificate.ts';

/** What a decision asks, and where that is written. */
export interface Rule {
  readonly rule: string;
  readonly clause: string;
}

/** One rule that was applied; `refusal` is there when it did not pass. A `PathStep` is one of these. */
export interface DecisionStep extends Rule {
  /** What the rule was applied to, where that is one certificate. */
  readonly certificate?: Certificate;
  /** What the rule looked at, such as `PSP_AI, PSP_PI` or `GB-FCA`. */
  readonly found?: string;
  readonly refusal?: OpenBankingError;
}

/** The steps of one decision, in the order in which they were taken. */
export class Trail {
  readonly #steps: DecisionStep[] = [];

  get steps(): readonly DecisionStep[] {
    return this.#steps;
  }

  add(...steps: readonly DecisionStep[]): void {
    this.#steps.push(...steps);
  }

  /** Applies a rule and keeps the step, with `found` of its value; a refusal is kept and goes on. */
  check<T>(rule: Rule, apply: () => T, found?: (value: T) => string): T {
    try {
      const value = apply();
      this.#steps.push(found === undefined ? rule : { ...rule, found: found(value) });
      return value;
    } catch (error) {
      if (isRefusal(error)) this.#steps.push({ ...rule, refusal: error });
      throw error;
    }
  }
}
