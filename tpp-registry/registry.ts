import { canonicalNca } from './nca.ts';
import type { TppRecord } from './record.ts';

/** The register of third-party providers, in memory, because every request reads it. */
export interface TppRegistry {
  /**
   * The record under this organization identifier at this authority, whatever spelling of the authority is used.
   * Without an authority the identifier must be unique in the registry.
   */
  find(authorizationNumber: string, nca?: string): TppRecord | undefined;
  list(): readonly TppRecord[];
  /** When the records were read. */
  readonly loadedAt: Date;
  /** Stops watching the source. */
  close(): Promise<void>;
}

type Index = ReadonlyMap<string, readonly TppRecord[]>;

/** Records that were read together. */
export interface RecordCopy {
  readonly records: readonly TppRecord[];
  /** By identifier; several records only where competent authorities have issued the same identifier. */
  readonly index: Index;
  readonly loadedAt: Date;
}

export function indexRecords(records: readonly TppRecord[], loadedAt: Date): RecordCopy {
  const index = new Map<string, TppRecord[]>();
  for (const record of records) {
    const same = index.get(record.authorizationNumber);
    if (same === undefined) index.set(record.authorizationNumber, [record]);
    else same.push(record);
  }
  return { records, index, loadedAt };
}

/** A registry over the present copy of a source. */
export function registryOver(source: { readonly current: RecordCopy; close(): Promise<void> }): TppRegistry {
  return {
    find: (authorizationNumber, nca) => findRecord(source.current.index, authorizationNumber, nca),
    list: () => source.current.records,
    get loadedAt() {
      return source.current.loadedAt;
    },
    close: () => source.close(),
  };
}

/** A registry of fixed records. */
export function createRegistry(records: readonly TppRecord[], loadedAt: Date): TppRegistry {
  return registryOver({ current: indexRecords(records, loadedAt), close: async () => {} });
}

/** @see TppRegistry.find */
function findRecord(index: Index, authorizationNumber: string, nca?: string): TppRecord | undefined {
  const same = index.get(authorizationNumber) ?? [];
  if (nca === undefined) return same.length === 1 ? same[0] : undefined;
  const exact = same.find((record) => record.nca.id === nca);
  if (exact !== undefined) return exact;
  const authority = canonicalNca(nca);
  if (authority === undefined) return undefined;
  return same.find((record) => canonicalNca(record.nca.id) === authority);
}
