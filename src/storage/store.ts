/**
 * The store contract. One record is one JSON value under (kind, id).
 *
 * Every compound step is atomic for all processes that share the store, and an acknowledged write is durable.
 * Every operation throws `ERR_STORAGE_UNAVAILABLE` when the store cannot answer.
 */
export interface Store {
  /** The live record, or undefined when there is none or it has expired. */
  find(kind: string, id: string): Promise<StoredRecord | undefined>;

  /** The live record of `kind` whose index `name` has `value`, for indexes that name one record. */
  findByIndex(kind: string, name: string, value: string): Promise<StoredRecord | undefined>;

  /** Every live record of `kind` whose index `name` has `value`, oldest first. */
  listByIndex(kind: string, name: string, value: string): Promise<readonly StoredRecord[]>;

  /**
   * A part of what `listByIndex` returns, in an order of the store's own. A record that is not written between two pages is
   * in one of them. The cost grows with the page, not with the index.
   */
  listPage(kind: string, name: string, value: string, page: PageRequest): Promise<RecordPage>;

  /** How many records `listByIndex` returns, up to `most`. */
  count(kind: string, name: string, value: string, most: number): Promise<number>;

  /**
   * Writes a record, replacing any other under the same id. A consumption mark survives the replacement.
   *
   * @throws ERR_STORAGE_REVOKED when one of its index values has a tombstone
   */
  put(kind: string, id: string, record: RecordToStore): Promise<void>;

  /** Writes a record if no live record has the id: true for exactly one caller until the record expires. */
  putIfAbsent(kind: string, id: string, record: RecordToStore): Promise<boolean>;

  /**
   * Replaces value, end and indexes of a live record, if its value is still the one that was read: true for one of many
   * callers that read the same, false for all others and when the record is absent or expired. A consumption mark
   * survives the replacement. The new value must differ from the one that was read.
   *
   * @throws ERR_STORAGE_REVOKED when one of the new index values has a tombstone
   */
  replace(kind: string, read: StoredRecord, record: RecordToStore): Promise<boolean>;

  /** Consumes the record: true for exactly one caller, false for all others and when the record is absent or expired. */
  consume(kind: string, id: string): Promise<boolean>;

  /** Removes a record. Removing an absent record is no error. */
  delete(kind: string, id: string): Promise<void>;

  /** Removes a few records in one message to the store, each for itself: after a failure some of them may be gone. */
  deleteAll(kind: string, ids: readonly string[]): Promise<void>;

  /**
   * Removes every record of `kind` with that index value and leaves a tombstone until `tombstoneUntil`: until
   * then `put` and `putIfAbsent` of that kind with that index value throw `ERR_STORAGE_REVOKED`.
   */
  deleteByIndex(kind: string, name: string, value: string, tombstoneUntil: Date): Promise<void>;

  /** Allocates `count` numbers from a durable counter and returns the first; no number is allocated twice. */
  allocate(counter: string, count: number): Promise<number>;

  /** Sets a bit of a bitmap. The bitmap exists from its first bit until the latest `expiresAt`, or somewhat longer. */
  setBit(bitmap: string, bit: number, expiresAt: Date): Promise<void>;

  /** Whether a bit is set. */
  hasBit(bitmap: string, bit: number): Promise<boolean>;

  /** The bitmap: bit n is bit n % 8 of byte n / 8, the lowest first. Bytes after the last set bit may be missing. */
  findBits(bitmap: string): Promise<Buffer>;

  /** Whether the store can read and write now. */
  isHealthy(): Promise<boolean>;

  /** Flushes and closes. */
  close(): Promise<void>;
}

export interface RecordToStore {
  /** A JSON value. */
  readonly value: unknown;
  /** When the record stops existing; absent only for records with an owner that deletes them. */
  readonly expiresAt?: Date;
  /** Values by which the record can be found or deleted, by index name. */
  readonly indexes?: Readonly<Record<string, string>>;
}

export interface PageRequest {
  /** `next` of the page before; absent for the first page. Any text is a position, so callers may pass on what they were sent. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface RecordPage {
  /** At most `limit`; a page before the last may be shorter too. */
  readonly records: readonly StoredRecord[];
  /** Where the next page begins; absent after the last. */
  readonly next?: string;
}

export interface StoredRecord {
  readonly id: string;
  readonly value: unknown;
  /** When `consume` succeeded, if it did. */
  readonly consumedAt?: Date;
  readonly expiresAt?: Date;
}

/** The JSON by which `replace` recognises the value that was read: a store keeps `JSON.stringify` of each value. */
export function replacedJson(read: StoredRecord, record: RecordToStore): string {
  const json = JSON.stringify(read.value);
  // Every caller would find the value that it read, and would be the one that replaced it.
  if (json === JSON.stringify(record.value)) throw new TypeError('the new value is the one that was read');
  return json;
}
