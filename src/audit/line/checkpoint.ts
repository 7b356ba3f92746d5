import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { CHAIN_LINES, type LinePlace } from './audit-line.ts';
import { type AuditKey, isSignedBy } from './signing-key.ts';
import { stableText } from './stable-text.ts';

const link = z.strictObject({
  number: z.int().positive(),
  process: z.string(),
  sequence: z.int().positive(),
  /** The hash of the line. */
  hash: z.string(),
});

/** The name of a checkpoint: number, place and hash of its line. */
export type CheckpointLink = z.infer<typeof link>;

const content = z.looseObject({
  at: z.string(),
  event: z.literal(CHAIN_LINES.checkpoint),
  process: z.string(),
  sequence: z.int(),
  previous: z.string(),
  number: z.int().positive(),
  /** The checkpoint before, of whichever process; absent in the first. */
  after: link.optional(),
  /** A later one that the record has, when the store was restored from a copy: `after` is then that of the copy. */
  seen: link.optional(),
  covers: z.strictObject({ first: z.int(), last: z.int(), root: z.string() }),
  key: z.string(),
  /** Whether the chain ends here. */
  isFinal: z.literal(true).optional(),
  signature: z.string(),
});

/** A checkpoint, as it stands in a line. */
export type Checkpoint = z.infer<typeof content>;

/** The lines that a checkpoint covers. */
export interface Covered {
  readonly first: number;
  readonly last: number;
  /** The root of the Merkle tree over their hashes. */
  readonly root: string;
}

export interface CheckpointFacts {
  readonly at: string;
  readonly place: LinePlace;
  readonly covers: Covered;
  readonly after: CheckpointLink | undefined;
  readonly seen?: CheckpointLink | undefined;
  readonly isFinal: boolean;
}

/** The content of a checkpoint's line. The signature is over the whole line without it, its place in the chain included. */
export function signedCheckpoint(
  { at, place, covers, after, seen, isFinal }: CheckpointFacts,
  key: AuditKey,
) {
  const unsigned = {
    at,
    event: CHAIN_LINES.checkpoint,
    number: Math.max(after?.number ?? 0, seen?.number ?? 0) + 1,
    ...(after === undefined ? {} : { after }),
    ...(seen === undefined ? {} : { seen }),
    covers,
    key: key.id,
    ...(isFinal ? { isFinal: true } : {}),
  };
  return { ...unsigned, signature: key.sign(stableText({ ...unsigned, ...place })) };
}

/** The checkpoint of a line; undefined when the line is none, or is not complete. */
export function parseCheckpoint(members: Readonly<Record<string, unknown>>): Checkpoint | undefined {
  return content.safeParse(members).data;
}

/** Whether one of the keys has signed the checkpoint. */
export function isSigned(checkpoint: Checkpoint, keys: ReadonlyMap<string, KeyObject>): boolean {
  const key = keys.get(checkpoint.key);
  return key !== undefined && isSignedBy(key, signedText(checkpoint), checkpoint.signature);
}

/** The text that is signed: every member but the signature. */
export function signedText({ signature: _, ...unsigned }: Checkpoint): string {
  return stableText(unsigned);
}

/** The checkpoint that the store has as the last one; undefined for another value. */
export function parseLink(value: unknown): CheckpointLink | undefined {
  return link.safeParse(value).data;
}
