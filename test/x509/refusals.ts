import { type ErrorCode, isRefusal } from '../../src/errors.ts';

/** The code of the refusal, or `accepted`; anything else that is thrown is a fault and escapes. */
export function outcomeOf(run: () => unknown): ErrorCode | 'accepted' {
  try {
    run();
    return 'accepted';
  } catch (error) {
    if (isRefusal(error)) return error.code;
    throw error;
  }
}
