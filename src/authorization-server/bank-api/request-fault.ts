import { OpenBankingError } from '../../errors.ts';

/** A fault of a request to the bank API, with its place. */
export function requestFault(
  member: string,
  problem: string,
  cause?: unknown,
): OpenBankingError<'ERR_BANK_REQUEST'> {
  return new OpenBankingError('ERR_BANK_REQUEST', { member, problem }, { cause });
}
