import type { PackedRecords } from './packed-records.ts';

/** Keys of each of the two generations. */
const MAX_KEYS = 2500;

/**
 * The records of a source, each parsed when it is found first. The records that were found last are kept, and dropped when the
 * source has another copy.
 */
export class FoundRecords<Record extends object> {
  readonly #source: { readonly current: PackedRecords };
  readonly #make: (record: unknown) => Record;
  #copy: PackedRecords;
  // Two generations, the older of which is dropped as a whole: the least work for each find.
  #young = new Map<string, readonly Record[]>();
  #old = new Map<string, readonly Record[]>();

  constructor(source: { readonly current: PackedRecords }, make: (record: unknown) => Record) {
    this.#source = source;
    this.#make = make;
    this.#copy = source.current;
  }

  /** The records of a key: the same objects while they are kept. */
  find(key: string): readonly Record[] {
    const copy = this.#source.current;
    if (copy !== this.#copy) {
      this.#copy = copy;
      this.#young.clear();
      this.#old.clear();
    }
    const known = this.#young.get(key);
    if (known !== undefined) return known;
    const found = this.#old.get(key) ?? copy.find(key).map(this.#make);
    // A key without records is found as fast as a kept one, and strangers ask for such keys.
    if (found.length > 0) this.#keep(key, found);
    return found;
  }

  #keep(key: string, found: readonly Record[]): void {
    if (this.#young.size >= MAX_KEYS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, found);
  }
}
