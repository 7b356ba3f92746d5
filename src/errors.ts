import {
  CATALOGUE,
  type ErrorClass,
  type ErrorCode,
  type ErrorDetails,
  type Problem,
} from './error-catalogue.ts';

export type { ErrorClass, ErrorCode, ErrorDetails, Problem } from './error-catalogue.ts';

/** Every code, for tables and their tests. */
export const ERROR_CODES = Object.freeze(Object.keys(CATALOGUE)) as readonly ErrorCode[];

/**
 * A refusal: a code of the catalogue and the facts that led to it. Domain code throws it, and knows no HTTP.
 *
 * `details` and `cause` are evidence for the log. `rule` is the sentence for the caller.
 */
export class OpenBankingError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'OpenBankingError';
  readonly code: C;
  readonly details: ErrorDetails[C];

  constructor(code: C, details: ErrorDetails[C], options?: { readonly cause?: unknown }) {
    super(`${code}: ${CATALOGUE[code].rule}`, options);
    this.code = code;
    this.details = details;
  }

  /** The class, by which an edge answers. */
  get class(): ErrorClass {
    return CATALOGUE[this.code].class;
  }

  /** The rule that refused, safe to show to the caller. */
  get rule(): string {
    return CATALOGUE[this.code].rule;
  }
}

/** The rule of a code, as callers see it. */
export function ruleOf(code: ErrorCode): string {
  return CATALOGUE[code].rule;
}

/** Whether `value` is a refusal, of one of the given codes if any are named. */
export function isRefusal<C extends ErrorCode>(value: unknown, ...codes: C[]): value is OpenBankingError<C> {
  return (
    value instanceof OpenBankingError && (codes.length === 0 || (codes as ErrorCode[]).includes(value.code))
  );
}

/** The refusal of a configuration, or of other input of an operator, with every problem. */
export function invalidConfig(
  source: string,
  problems: readonly Problem[],
  cause?: unknown,
): OpenBankingError<'ERR_CONFIG_INVALID'> {
  return new OpenBankingError('ERR_CONFIG_INVALID', { source, problems }, { cause });
}
