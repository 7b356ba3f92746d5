import { z } from 'zod';
import { OpenBankingError } from '../errors.ts';
import type { Criterion } from './list/criteria.ts';
import type { TrustService } from './list/service.ts';
import type { ListFacts } from './proving.ts';

/** A list that issuers are from, and when its bytes were last fetched. */
export interface ListState extends ListFacts {
  readonly source: string;
  /** When its newest bytes were fetched, or imported. */
  readonly fetchedAt: Date;
  /** Why the last attempt to renew it failed. */
  readonly problem?: string | undefined;
}

/** An issuer of certificates for website authentication, and the territory whose list has it. */
export interface ListedIssuer extends TrustService {
  readonly territory: string;
}

/** The facts that the lists prove: the content of one file, which every process follows. */
export interface TrustedListSnapshot {
  /** When the lists were last asked for, with or without success. */
  readonly askedAt: Date;
  readonly listOfLists: ListState;
  readonly lists: readonly ListState[];
  readonly issuers: readonly ListedIssuer[];
}

/** Since when a list counts no longer: its own next update, or `maxAgeSeconds` after it was last fetched. */
export function overdueSince(
  { fetchedAt, nextUpdate }: ListState,
  { maxAgeSeconds, at }: { readonly maxAgeSeconds: number; readonly at: Date },
): Date | undefined {
  const ends = [fetchedAt.getTime() + maxAgeSeconds * 1000, nextUpdate?.getTime() ?? Number.MAX_VALUE];
  const end = Math.min(...ends);
  return at.getTime() > end ? new Date(end) : undefined;
}

const instant = z.iso.datetime().transform((text) => new Date(text));
const listState = z.strictObject({
  source: z.string(),
  territory: z.string(),
  sequenceNumber: z.int(),
  issuedAt: instant,
  nextUpdate: instant.optional(),
  digest: z.string(),
  fetchedAt: instant,
  problem: z.string().optional(),
});
const criterion: z.ZodType<Criterion> = z.lazy(() =>
  z.union([
    z.strictObject({ kind: z.enum(['all', 'atLeastOne', 'none']), of: z.array(criterion) }),
    z.strictObject({
      kind: z.literal('keyUsage'),
      bits: z.array(z.strictObject({ name: z.string(), isSet: z.boolean() })),
    }),
    z.strictObject({ kind: z.enum(['policies', 'purposes']), identifiers: z.array(z.string()) }),
    z.strictObject({ kind: z.literal('unknown') }),
  ]),
);
const serviceState = z.strictObject({
  since: instant,
  type: z.string(),
  status: z.string(),
  purposes: z.array(z.string()),
  qualifications: z.array(z.strictObject({ qualifiers: z.array(z.string()), criterion })),
  unknownCritical: z.string().optional(),
});
const issuer = z.strictObject({
  territory: z.string(),
  provider: z.string(),
  name: z.string(),
  certificates: z.array(z.base64().transform((text) => Buffer.from(text, 'base64'))),
  states: z.array(serviceState),
});
const snapshot = z.strictObject({
  format: z.literal(1),
  askedAt: instant,
  listOfLists: listState,
  lists: z.array(listState),
  issuers: z.array(issuer),
});

/** The snapshot as text. */
export function writeSnapshot({ askedAt, listOfLists, lists, issuers }: TrustedListSnapshot): string {
  const written = issuers.map(({ certificates, ...rest }) => ({
    ...rest,
    certificates: certificates.map((der) => Buffer.from(der).toString('base64')),
  }));
  return `${JSON.stringify({ format: 1, askedAt, listOfLists, lists, issuers: written }, undefined, 1)}\n`;
}

/**
 * Reads what `writeSnapshot` wrote.
 *
 * @throws ERR_TRUSTED_LIST_SNAPSHOT
 */
export function readSnapshot(text: string, source: string): TrustedListSnapshot {
  const invalid = (problems: readonly { readonly path: string; readonly message: string }[]) =>
    new OpenBankingError('ERR_TRUSTED_LIST_SNAPSHOT', { source, problems });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid([{ path: '', message: 'is not JSON' }]);
  }
  const parsed = snapshot.safeParse(value);
  if (parsed.error !== undefined) {
    throw invalid(
      parsed.error.issues.slice(0, 20).map(({ path, message }) => ({ path: path.join('.'), message })),
    );
  }
  const { askedAt, listOfLists, lists, issuers } = parsed.data;
  return { askedAt, listOfLists, lists, issuers };
}
