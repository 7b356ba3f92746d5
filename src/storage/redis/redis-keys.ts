/** The names of the keys. What stands in braces decides the slot of a Cluster. */
export interface RedisKeys {
  /** A hash: one record, and the graves of its id. */
  record(kind: string, id: string): string;
  /** A sorted set: the records with one value of one index, and its tombstone. */
  index(kind: string, name: string, value: string): string;
  /** What the keys of the records, or of the indexes, of a kind begin with; `}` ends each of them. */
  recordPrefix(kind: string): string;
  indexPrefix(kind: string): string;
  counter(name: string): string;
  /** Written by the health check, for `part` from 0; they lie in different slots. */
  health(part: number): string;
}

/** Keys under a prefix, so that one Redis can serve others too. Kinds and index names must have no colon. */
export function createRedisKeys(prefix: string): RedisKeys {
  return Object.freeze({
    record: (kind: string, id: string) => `${prefix}:record:{${kind}:${id}}`,
    index: (kind: string, name: string, value: string) => `${prefix}:index:{${kind}:${name}:${value}}`,
    recordPrefix: (kind: string) => `${prefix}:record:{${kind}:`,
    indexPrefix: (kind: string) => `${prefix}:index:{${kind}:`,
    counter: (name: string) => `${prefix}:counter:{${name}}`,
    health: (part: number) => `${prefix}:health:{${part}}`,
  });
}
