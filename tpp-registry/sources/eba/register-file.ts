import { z } from 'zod';
import { parseCopy, writeCopy } from '../copy-file.ts';
import { ENTITY_TYPES, type EbaEntity } from './entity.ts';

/** The facts of one copy of the register. */
export interface RegisterState {
  /** When the register was last asked for, with or without success. */
  readonly askedAt: Date;
  /** When this copy was fetched, or imported. */
  readonly fetchedAt: Date;
  /** The register's own date of this copy. */
  readonly snapshotAt: Date;
  /** Address or file of the ZIP. */
  readonly source: string;
  /** Hexadecimal SHA-256 of the ZIP. */
  readonly digest: string;
  /** Records of all types. */
  readonly recordCount: number;
  /** Records of institutions that could not be read: the first few. */
  readonly problems: readonly string[];
  /** Why the last attempt to renew it failed. */
  readonly problem?: string | undefined;
}

/** The institutions of one copy of the register. */
export interface RegisterCopy {
  readonly state: RegisterState;
  readonly entities: readonly EbaEntity[];
}

const instant = z.iso.datetime().transform((text) => new Date(text));
const state = z.strictObject({
  askedAt: instant,
  fetchedAt: instant,
  snapshotAt: instant,
  source: z.string(),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  recordCount: z.int(),
  problems: z.array(z.string()),
  problem: z.string().optional(),
});
const entity = z.strictObject({
  entityCode: z.string(),
  type: z.enum(ENTITY_TYPES),
  nca: z.string(),
  name: z.string(),
  reference: z.string().optional(),
  days: z.array(z.string()).optional(),
  services: z.record(z.string(), z.array(z.string())),
});
const file = z.strictObject({ format: z.literal(1), state, entities: z.array(entity) });

/** A copy as text. */
export function writeRegister({ state: facts, entities }: RegisterCopy): string {
  return writeCopy(facts, 'entities', entities);
}

/**
 * Reads what `writeRegister` wrote.
 *
 * @throws ERR_REGISTRY_INVALID
 */
export function readRegister(text: string, source: string): RegisterCopy {
  const { state: facts, entities } = parseCopy(text, source, file);
  return { state: facts, entities };
}
