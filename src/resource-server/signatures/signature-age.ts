import { OpenBankingError } from '../../errors.ts';

export interface AgeRules {
  readonly maxAgeSeconds: number;
  /** Leeway for the clocks of client and API. */
  readonly clockToleranceSeconds: number;
}

/**
 * Verifies that a signature was made just now; returns the second from which it is refused.
 *
 * @param name of the member that holds the time, for the refusal
 * @throws ERR_SIGNATURE_TIME
 */
export function verifyAge(
  created: unknown,
  { name, now }: { readonly name: string; readonly now: number },
  { maxAgeSeconds, clockToleranceSeconds }: AgeRules,
): number {
  if (typeof created !== 'number' || !Number.isFinite(created)) throw wrongTime(`${name} is missing`);
  const ageSeconds = now - created;
  if (ageSeconds > maxAgeSeconds + clockToleranceSeconds) {
    throw wrongTime(`${name} is more than ${maxAgeSeconds} seconds ago`);
  }
  if (ageSeconds < -clockToleranceSeconds) throw wrongTime(`${name} is in the future`);
  return created + maxAgeSeconds + clockToleranceSeconds;
}

export function wrongTime(problem: string): OpenBankingError<'ERR_SIGNATURE_TIME'> {
  return new OpenBankingError('ERR_SIGNATURE_TIME', { problem });
}
