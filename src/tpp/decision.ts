import { isRefusal, type OpenBankingError } from '../errors.ts';
import type { Certificate } from '../x509/certificate/certificate.ts';

/** A rule of a decision, and the clause that has it. */
export interface Rule {
  readonly rule: string;
  readonly clause: string;
}

/** One rule that was applied; `refusal` is there when it did not pass. A `PathStep` is one of these. */
export interface DecisionStep extends Rule {
  /** The certificate that the rule was applied to, where it is one. */
  readonly certificate?: Certificate;
  /** The fact that the rule was applied to, such as `PSP_AI, PSP_PI` or `GB-FCA`. */
  readonly found?: string;
  readonly refusal?: OpenBankingError;
}

/** Applies rules, and may keep their results. */
export interface RuleLog {
  /** Applies a rule and notes the step, with `found` of its value; a refusal is noted and thrown on. */
  check<T>(rule: Rule, apply: () => T, found?: (value: T) => string): T;
  /** Notes a step of a rule that was applied elsewhere. `step` is called only where steps are kept. */
  note(step: () => DecisionStep): void;
}

/** Keeps no step. Every rule is applied all the same. */
export const NO_TRAIL: RuleLog = Object.freeze({
  check: <T>(_rule: Rule, apply: () => T): T => apply(),
  note: () => {},
});

/** The steps of one decision, in the order in which they were taken. */
export class Trail implements RuleLog {
  readonly #steps: DecisionStep[] = [];

  get steps(): readonly DecisionStep[] {
    return this.#steps;
  }

  add(...steps: readonly DecisionStep[]): void {
    this.#steps.push(...steps);
  }

  note(step: () => DecisionStep): void {
    this.#steps.push(step());
  }

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
