import { isRefusal } from '../../errors.ts';
import { DerError } from '../../x509/der/der.ts';

/** A part of a certificate that could not be read, or that breaks a rule of its form. */
export interface ReadingProblem {
  readonly part: string;
  readonly problem: string;
}

/** Reads on where a strict parser would stop, and collects the problems. */
export class ReadingProblems {
  readonly #list: ReadingProblem[] = [];

  get list(): readonly ReadingProblem[] {
    return this.#list;
  }

  add(part: string, problem: string): void {
    if (!this.#list.some((one) => one.problem === problem)) this.#list.push({ part, problem });
  }

  /** The result of `read`, or undefined with the problem noted. */
  attempt<T>(part: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.add(part, problemOf(error));
      return undefined;
    }
  }

  /** `attempt` for a part that may be absent. */
  attemptWith<P, T>(part: string, value: P | undefined, read: (value: P) => T): T | undefined {
    return value === undefined ? undefined : this.attempt(part, () => read(value));
  }
}

/** The problem that a parser found. Any other error is thrown on. */
export function problemOf(error: unknown): string {
  if (error instanceof DerError) return error.message;
  if (isRefusal(error)) {
    return 'problem' in error.details && typeof error.details.problem === 'string'
      ? error.details.problem
      : error.rule;
  }
  throw error;
}
