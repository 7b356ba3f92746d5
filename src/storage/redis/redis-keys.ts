/** The names of the keys. The part in braces decides the slot of a Cluster. */
export interface RedisKeys {
  /** A hash: one record, and the write tombstones of its id. */
  record(kind: string, id: string): string;
  /** A sorted set: the records with one value of one index, and its tombstone. */
  index(kind: string, name: string, value: string): string;
  /** Prefixes of the keys of all records, or of all indexes, of a kind; `}` ends each of these keys. */
  recordPrefix(kind: string): string;
  indexPrefix(kind: string): string;
  counter(name: string): string;
  bitmap(name: string): string;
  /** The number of the schema, under which all other keys are written. */
  readonly schema: string;
  /** Written by the health check, for `part` from 0; they lie in different slots. */
  health(part: number): string;
}

/** Keys under a prefix, so that one Redis can serve several programs. Kinds and index names must have no colon. */
export function createRedisKeys(prefix: string): RedisKeys {
  return Object.freeze({
    record: (kind: string, id: string) => `${prefix}:record:{${kind}:${id}}`,
    index: (kind: string, name: string, value: string) => `${prefix}:index:{${kind}:${name}:${value}}`,
    recordPrefix: (kind: string) => `${prefix}:record:{${kind}:`,
    indexPrefix: (kind: string) => `${prefix}:index:{${kind}:`,
    counter: (name: string) => `${prefix}:counter:{${name}}`,
    bitmap: (name: string) => `${prefix}:bitmap:{${name}}`,
    schema: `${prefix}:schema`,
    health: (part: number) => `${prefix}:health:{${part}}`,
  });
}
