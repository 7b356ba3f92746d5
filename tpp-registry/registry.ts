import { canonicalNca } from './nca.ts';
import type { TppRecord } from './record.ts';
import type { SourceState } from './source-state.ts';

/** The register of third-party providers, in memory, because every request reads it. */
export interface TppRegistry {
  /**
   * The record under this organization identifier at this authority, whatever spelling of the authority is used.
   * Without an authority the identifier must be unique in the registry.
   *
   * @throws ERR_TPP_AMBIGUOUS, ERR_REGISTRY_OVERDUE where the registry has public sources
   */
  find(authorizationNumber: string, nca?: string): TppRecord | undefined;
  /** A line for each source that knows the TPP: its name, statement and evidence. Absent: there is one source. */
  explain?(authorizationNumber: string, nca?: string): readonly string[];
  /** Every record. Of a long registry the list takes a while to make: not for a request. */
  list(): readonly TppRecord[];
  /** The copies that are in use, each of one source. Absent: the registry follows no source. */
  sources?(): readonly SourceState[];
  /** When the records were read. */
  readonly loadedAt: Date;
  /** Stops watching the source. */
  close(): Promise<void>;
}

/** A registry of fixed records. */
export function createRegistry(records: readonly TppRecord[], loadedAt: Date): TppRegistry {
  const index = Map.groupBy(records, ({ authorizationNumber }) => authorizationNumber);
  return {
    find: (authorizationNumber, nca) => recordUnder(index.get(authorizationNumber) ?? [], nca),
    list: () => records,
    loadedAt,
    close: async () => {},
  };
}

/**
 * Of the records of one identifier, which only competent authorities that issued the same one share, the record of `nca`.
 *
 * @see TppRegistry.find
 */
export function recordUnder(same: readonly TppRecord[], nca?: string): TppRecord | undefined {
  if (nca === undefined) return same.length === 1 ? same[0] : undefined;
  const exact = same.find((record) => record.nca.id === nca);
  if (exact !== undefined) return exact;
  const authority = canonicalNca(nca);
  if (authority === undefined) return undefined;
  return same.find((record) => canonicalNca(record.nca.id) === authority);
}
