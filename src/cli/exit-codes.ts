import { type ErrorCode, isRefusal } from '../errors.ts';

/** 1 refused, 2 wrong usage or configuration, 3 something that we depend on is not available. */
type ExitCode = 1 | 2 | 3;

const OTHERS: Partial<Readonly<Record<ErrorCode, ExitCode>>> = {
  ERR_CONFIG_INVALID: 2,
  ERR_REGISTRY_INVALID: 2,
  ERR_STORAGE_UNAVAILABLE: 3,
  ERR_TOKEN_KEYS_UNAVAILABLE: 3,
  ERR_TOKEN_STATUS_UNAVAILABLE: 3,
  ERR_OUTBOUND_FAILED: 3,
};

/** The exit code of the command for a thrown error. */
export function exitCodeOf(error: unknown): ExitCode {
  return isRefusal(error) ? (OTHERS[error.code] ?? 1) : 3;
}
