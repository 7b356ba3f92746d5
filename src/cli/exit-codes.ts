import { type ErrorClass, isRefusal } from '../errors.ts';

/** 1 refused, 2 wrong usage or configuration, 3 something that we depend on is not available. */
type ExitCode = 1 | 2 | 3;

const OTHERS: Partial<Readonly<Record<ErrorClass, ExitCode>>> = {
  configuration: 2,
  document: 2,
  unavailable: 3,
};

/** The exit code of the command for a thrown error. */
export function exitCodeOf(error: unknown): ExitCode {
  return isRefusal(error) ? (OTHERS[error.class] ?? 1) : 3;
}
