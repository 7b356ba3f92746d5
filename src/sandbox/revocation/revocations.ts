import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { replaceFile } from '../../files/created-file.ts';

/** Reasons of a revocation, with their numbers (RFC 5280 §5.3.1). */
export const REASONS = Object.freeze({
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
});

export type RevocationReason = keyof typeof REASONS;

/** A certificate that its CA has revoked. */
export interface Revocation {
  /** Name of the authority in the sandbox: `root`, `issuing-ca`. */
  readonly authority: string;
  /** Lower-case hexadecimal octets. */
  readonly serialNumber: string;
  readonly at: Date;
  readonly reason: RevocationReason;
}

export function isRevocationReason(text: string): text is RevocationReason {
  return Object.hasOwn(REASONS, text);
}

const fileSchema = z.strictObject({
  revoked: z.array(
    z.strictObject({
      authority: z.string(),
      serialNumber: z.string().regex(/^(?:[0-9a-f]{2})+$/),
      at: z.iso.datetime().transform((text) => new Date(text)),
      reason: z.string().refine(isRevocationReason),
    }),
  ),
});

/** The revocations that a sandbox keeps in a file; none when there is no file. */
export async function readRevocations(file: string): Promise<readonly Revocation[]> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{"revoked":[]}';
    throw error;
  });
  return fileSchema.parse(JSON.parse(text)).revoked;
}

/** Replaces the file as a whole. */
export async function writeRevocations(file: string, revoked: readonly Revocation[]): Promise<void> {
  await replaceFile(file, `${JSON.stringify({ revoked }, undefined, 2)}\n`);
}
