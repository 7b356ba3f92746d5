import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isRefusal } from '../../../src/errors.ts';
import type { DirectoryKey, Participant, SoftwareStatement } from './participant.ts';

/** The address of a software statement's keys, and the keys. */
export type FetchKeyStore = (organisationId: string, softwareId: string) => Promise<Buffer>;

/** Ten times those of the United Kingdom. */
const MAX_KEY_STORES = 10_000;
const MAX_KEYS = 100;
const MAX_AT_ONCE = 8;
/** A host that failed so often is away: the other key stores are not asked. */
const MAX_FAULTS = 10;

const keyStore = z.looseObject({
  keys: z
    .array(
      z.looseObject({
        kid: z.string().max(256),
        use: z.string().max(32).optional(),
        x5c: z.array(z.base64()).max(10).optional(),
      }),
    )
    .max(MAX_KEYS),
});

/**
 * The participants with the keys and certificates of their software statements. A key store that cannot be read keeps
 * the keys of `before`: keys decide nothing here, and must not keep a withdrawal from being read.
 */
export async function withKeys(
  participants: readonly Participant[],
  from: {
    readonly fetchKeyStore: FetchKeyStore;
    readonly before: readonly Participant[];
    readonly renew: () => Promise<void>;
  },
): Promise<{ readonly participants: readonly Participant[]; readonly problems: readonly string[] }> {
  const { fetchKeyStore, before, renew } = from;
  const known = new Map(
    before.flatMap(({ softwareStatements }) => softwareStatements.map(({ id, keys }) => [id, keys] as const)),
  );
  const wanted = participants
    .filter(({ isActive }) => isActive)
    .flatMap(({ organisationId, softwareStatements }) =>
      softwareStatements.map(({ id }) => ({ organisationId, id })),
    );
  const problems: string[] = [];
  if (wanted.length > MAX_KEY_STORES) problems.push(`only ${MAX_KEY_STORES} key stores are read`);
  const asked = wanted.slice(0, MAX_KEY_STORES);
  let faults = 0;
  for (let at = 0; at < asked.length && faults < MAX_FAULTS; at += MAX_AT_ONCE) {
    await renew();
    await Promise.all(
      asked.slice(at, at + MAX_AT_ONCE).map(async ({ organisationId, id }) => {
        try {
          known.set(id, readKeyStore(await fetchKeyStore(organisationId, id)));
        } catch (error) {
          if (!isRefusal(error) && !(error instanceof z.ZodError || error instanceof SyntaxError))
            throw error;
          faults += 1;
          problems.push(`the key store of software ${id} cannot be read`);
        }
      }),
    );
  }
  if (faults >= MAX_FAULTS) problems.push('the key stores are away: the others were not asked');
  const withThem = (statement: SoftwareStatement): SoftwareStatement => {
    const keys = known.get(statement.id);
    return keys === undefined ? statement : { ...statement, keys };
  };
  return {
    participants: participants.map((one) => ({
      ...one,
      softwareStatements: one.softwareStatements.map(withThem),
    })),
    problems,
  };
}

function readKeyStore(bytes: Buffer): readonly DirectoryKey[] {
  return keyStore.parse(JSON.parse(bytes.toString('utf8'))).keys.map(({ kid, use, x5c }) => {
    const [certificate] = x5c ?? [];
    return {
      kid,
      ...(use === undefined ? {} : { use }),
      ...(certificate === undefined ? {} : { thumbprint: thumbprintOf(certificate) }),
    };
  });
}

function thumbprintOf(certificate: string): string {
  return createHash('sha256').update(Buffer.from(certificate, 'base64')).digest('base64url');
}
