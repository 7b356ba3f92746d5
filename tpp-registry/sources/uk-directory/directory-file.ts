import { z } from 'zod';
import { parseCopy, writeCopy } from '../copy-file.ts';
import type { Participant } from './participant.ts';

/** The facts of one copy of the directory. */
export interface DirectoryState {
  /** When the directory was last asked, with or without success. */
  readonly askedAt: Date;
  /** When this copy was fetched, or imported. */
  readonly fetchedAt: Date;
  /** Address or file that it is from. */
  readonly source: string;
  /** Hexadecimal SHA-256 of its participants. */
  readonly digest: string;
  /** The first participants, roles and numbers that grant nothing. */
  readonly problems: readonly string[];
  /** Why the last attempt to renew it failed. */
  readonly problem?: string | undefined;
}

/** The participants of one copy of the directory. */
export interface DirectoryCopy {
  readonly state: DirectoryState;
  readonly participants: readonly Participant[];
}

const instant = z.iso.datetime().transform((text) => new Date(text));
const state = z.strictObject({
  askedAt: instant,
  fetchedAt: instant,
  source: z.string(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  problems: z.array(z.string()),
  problem: z.string().optional(),
});
const roles = z.array(z.enum(['PSP_AS', 'PSP_PI', 'PSP_AI', 'PSP_IC']));
const key = z.strictObject({
  kid: z.string(),
  use: z.string().optional(),
  thumbprint: z.string().optional(),
});
const participant = z.strictObject({
  organisationId: z.string(),
  name: z.string(),
  identifiers: z.array(z.string()),
  isActive: z.boolean(),
  status: z.string(),
  roles,
  since: z.iso.datetime().optional(),
  softwareStatements: z.array(z.strictObject({ id: z.string(), roles, keys: z.array(key).optional() })),
});
const file = z.strictObject({ format: z.literal(1), state, participants: z.array(participant) });

/** A copy as text. */
export function writeDirectory({ state: facts, participants }: DirectoryCopy): string {
  return writeCopy(facts, 'participants', participants);
}

/**
 * Reads what `writeDirectory` wrote.
 *
 * @throws ERR_REGISTRY_INVALID
 */
export function readDirectory(text: string, source: string): DirectoryCopy {
  const { state: facts, participants } = parseCopy(text, source, file);
  return { state: facts, participants };
}
