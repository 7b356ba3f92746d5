import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { writeWhole } from '../write-whole.ts';

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
  await writeWhole(file, `${JSON.stringify({ revoked }, undefined, 2)}\n`);
}

/** The file's content, read again when the file has changed: another process revokes. */
export function watchedRevocations(file: string): { readonly current: () => Promise<readonly Revocation[]> } {
  let known: { readonly mark: string; readonly revoked: readonly Revocation[] } | undefined;
  return {
    current: async () => {
      const mark = await markOf(file);
      if (known?.mark !== mark) known = { mark, revoked: await readRevocations(file) };
      return known.revoked;
    },
  };
}

/** A new inode means a new content: the file is only ever replaced. */
async function markOf(file: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'none';
    throw error;
  }
}
