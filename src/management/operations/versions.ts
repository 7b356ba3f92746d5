import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { OpenBankingError } from '../../errors.ts';

/** The ETag of an answer: the same for the same content, whoever asks. */
export function versionOf(schema: z.ZodType, shown: unknown): string {
  return `"${createHash('sha256')
    .update(JSON.stringify(schema.parse(shown)))
    .digest('base64url')}"`;
}

/**
 * Proves that a change is made to the version that its operator has seen.
 *
 * @throws ERR_MANAGEMENT_VERSION_MISSING, ERR_MANAGEMENT_VERSION
 */
export function assertVersion(ifMatch: string | undefined, present: string): void {
  if (ifMatch === undefined || ifMatch === '') {
    throw new OpenBankingError('ERR_MANAGEMENT_VERSION_MISSING', {});
  }
  if (ifMatch !== present) throw new OpenBankingError('ERR_MANAGEMENT_VERSION', { found: present });
}
