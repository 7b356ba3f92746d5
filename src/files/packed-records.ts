/*
 * Many records in one buffer, which a thread hands over and a process keeps as it is:
 *
 *     number of records | number of slots        32-bit words
 *     end of each record's bytes
 *     slots: hash of a key | record, from 1; 0 is free
 *     bytes: "key"\n{record} for each record, as JSON
 */

const HEADER_WORDS = 2;
const WORD_BYTES = 4;
const FIRST_BYTES = 65_536;

/** Collects records for `PackedRecords`. */
export class RecordPacker {
  readonly #hashes: number[] = [];
  readonly #ends: number[] = [];
  #bytes: Buffer;
  #length = 0;

  /** @param expectedBytes of all records: room from the start spares copies */
  constructor(expectedBytes: number = FIRST_BYTES) {
    this.#bytes = Buffer.allocUnsafeSlow(expectedBytes);
  }

  /** Adds a record, a value of JSON. Several records may have one key; they keep their order. */
  add(key: string, record: unknown): void {
    const text = keyText(key) + JSON.stringify(record);
    // A character of UTF-16 has at most three bytes in UTF-8.
    this.#reserve(this.#length + text.length * 3);
    this.#length += this.#bytes.write(text, this.#length);
    this.#ends.push(this.#length);
    this.#hashes.push(hashOf(key));
  }

  /** The records, in a buffer of their own. */
  pack(): ArrayBuffer {
    const count = this.#ends.length;
    // At most half of the slots are taken.
    const slots = 2 ** Math.ceil(Math.log2(2 * count + 2));
    const words = HEADER_WORDS + count + 2 * slots;
    const packed = new ArrayBuffer(words * WORD_BYTES + this.#length);
    const index = new Uint32Array(packed, 0, words);
    index.set([count, slots]);
    index.set(this.#ends, HEADER_WORDS);
    const table = index.subarray(HEADER_WORDS + count);
    for (const [at, hash] of this.#hashes.entries()) {
      let slot = hash & (slots - 1);
      while (table[2 * slot + 1] !== 0) slot = (slot + 1) & (slots - 1);
      table.set([hash, at + 1], 2 * slot);
    }
    this.#bytes.copy(new Uint8Array(packed), words * WORD_BYTES, 0, this.#length);
    return packed;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Records in a buffer that `RecordPacker` made. Nothing is built to open them; a record is parsed when it is found. */
export class PackedRecords {
  /** Of the buffer. */
  readonly packed: ArrayBuffer;
  /** Number of records. */
  readonly size: number;
  readonly #ends: Uint32Array;
  readonly #table: Uint32Array;
  readonly #bytes: Buffer;

  constructor(packed: ArrayBuffer) {
    this.packed = packed;
    const [size = 0, slots = 0] = new Uint32Array(packed, 0, HEADER_WORDS);
    const words = HEADER_WORDS + size + 2 * slots;
    this.size = size;
    this.#ends = new Uint32Array(packed, HEADER_WORDS * WORD_BYTES, size);
    this.#table = new Uint32Array(packed, (HEADER_WORDS + size) * WORD_BYTES, 2 * slots);
    this.#bytes = Buffer.from(packed, words * WORD_BYTES);
  }

  has(key: string): boolean {
    return this.#placesOf(key).next().done !== true;
  }

  /** The records of a key, in their order. */
  find(key: string): unknown[] {
    return [...this.#placesOf(key)].map((at) => this.recordAt(at));
  }

  /** Records of any key that have this text as a member, in order. Every byte is searched, and only what fits is parsed. */
  findByMember(name: string, value: string, limit: number): unknown[] {
    const text = Buffer.from(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
    const found: unknown[] = [];
    for (let from = 0; found.length < limit; ) {
      const place = this.#bytes.indexOf(text, from);
      if (place === -1) break;
      const at = this.#recordAround(place);
      const record = this.recordAt(at);
      if (Object(record)[name] === value) found.push(record);
      from = this.#ends[at] ?? this.#bytes.length;
    }
    return found;
  }

  /** Every record, in order. */
  records(): unknown[] {
    return Array.from({ length: this.size }, (_, at) => this.recordAt(at));
  }

  keyAt(at: number): string {
    const start = this.#startOf(at);
    return JSON.parse(this.#bytes.toString('utf8', start, this.#bytes.indexOf('\n', start)));
  }

  recordAt(at: number): unknown {
    const start = this.#bytes.indexOf('\n', this.#startOf(at));
    return JSON.parse(this.#bytes.toString('utf8', start, this.#ends[at]));
  }

  #recordAround(place: number): number {
    let [first, last] = [0, this.size - 1];
    while (first < last) {
      const middle = (first + last) >> 1;
      if ((this.#ends[middle] ?? 0) > place) last = middle;
      else first = middle + 1;
    }
    return first;
  }

  #startOf(at: number): number {
    return at === 0 ? 0 : (this.#ends[at - 1] ?? 0);
  }

  *#placesOf(key: string): Generator<number> {
    const hash = hashOf(key);
    const mask = this.#table.length / 2 - 1;
    let text: Buffer | undefined;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const record = this.#table[2 * slot + 1] ?? 0;
      if (record === 0) return;
      if (this.#table[2 * slot] !== hash) continue;
      text ??= Buffer.from(keyText(key));
      const start = this.#startOf(record - 1);
      if (this.#bytes.compare(text, 0, text.length, start, start + text.length) === 0) yield record - 1;
    }
  }
}

/** The records as a buffer that is already in order. */
export function packRecords(records: Iterable<readonly [key: string, record: unknown]>): PackedRecords {
  const packer = new RecordPacker();
  for (const [key, record] of records) packer.add(key, record);
  return new PackedRecords(packer.pack());
}

function keyText(key: string): string {
  // JSON writes no line break: the first one ends the key.
  return `${JSON.stringify(key)}\n`;
}

/** FNV-1a with the last steps of MurmurHash3, so that neighbouring keys lie in distant slots. */
function hashOf(key: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01_00_01_93);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
