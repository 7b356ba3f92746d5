import type { CrlEntries } from './crl-entries.ts';
import { findRevocationReason, type RevocationReason } from '../certificate/revocation-status.ts';

/** When a certificate was revoked, and why. */
export interface RevokedEntry {
  readonly revokedAt: Date;
  readonly reason: RevocationReason;
}

/** Serial numbers of one length, in buckets: plain data that a worker can transfer. */
export interface SerialBuckets {
  /** Octets of a serial number. */
  readonly width: number;
  /** The records of bucket b are those from `ends[b - 1]` up to `ends[b]`. */
  readonly ends: Uint32Array<ArrayBuffer>;
  readonly records: Uint8Array<ArrayBuffer>;
}

/** Shorter serial numbers are filled up with zeros in front. */
const MIN_WIDTH = 4;
/** RFC 5280 §4.1.2.2. A certificate with a longer one is refused when it is read. */
const MAX_WIDTH = 20;
/** Seconds and reason. */
const TAIL_BYTES = 5;
/** 1950-01-01T00:00:00Z, where UTCTime begins; 32 bits reach into 2086, and other dates are cut to that. */
const FIRST_SECOND = -631_152_000;
const REMOVE_FROM_CRL = 8;

/**
 * Revoked serial numbers, exactly, in about 19 bytes each. A record is one serial number's octets, date and reason.
 * The octets of the bucket's number are left out of the record. The last four octets are mixed with the others by a
 * step that can be undone, so that bucket and record together are the serial number, and nothing is lost as in a hash.
 */
export class SerialTable {
  readonly #byWidth: ReadonlyMap<number, SerialBuckets>;

  constructor(buckets: readonly SerialBuckets[]) {
    this.#byWidth = new Map(buckets.map((one) => [one.width, one]));
  }

  /** The entry of a serial number in hexadecimal octets; of several, the one that weighs most. */
  find(serialNumber: string): RevokedEntry | undefined {
    const serial = Buffer.from(serialNumber.padStart(MIN_WIDTH * 2, '0'), 'hex');
    const buckets = this.#byWidth.get(serial.length);
    if (buckets === undefined) return undefined;
    const found = findRecord(buckets, serial);
    if (found === undefined) return undefined;
    const reason = findRevocationReason(found.reason) ?? 'unspecified';
    return { revokedAt: new Date(found.seconds * 1000), reason };
  }

  /** Its parts, for a transfer or for counting bytes. */
  get buckets(): readonly SerialBuckets[] {
    return [...this.#byWidth.values()];
  }
}

interface RecordTail {
  readonly seconds: number;
  readonly reason: number;
}

function findRecord({ width, ends, records }: SerialBuckets, serial: Buffer): RecordTail | undefined {
  const layout = layoutOf(width, ends.length);
  const mixed = mix(serial, 0, width);
  const bucket = bucketOf(mixed, layout);
  const key = keyOf(serial, mixed, layout);
  let best: RecordTail | undefined;
  for (let index = bucket === 0 ? 0 : (ends[bucket - 1] ?? 0); index < (ends[bucket] ?? 0); index += 1) {
    const at = index * layout.stride;
    if (!startsAt(records, at, key)) continue;
    const tail = readTail(records, at + key.length);
    if (best === undefined || weighsMore(tail, best)) best = tail;
  }
  return best;
}

/** A list may name a certificate twice: then no revocation is undone, and the earliest date counts. */
function weighsMore(one: RecordTail, other: RecordTail): boolean {
  const [isRemoval, wasRemoval] = [one.reason === REMOVE_FROM_CRL, other.reason === REMOVE_FROM_CRL];
  return isRemoval === wasRemoval ? one.seconds < other.seconds : wasRemoval;
}

function startsAt(records: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let index = 0; index < key.length; index += 1) {
    if (records[at + index] !== key[index]) return false;
  }
  return true;
}

function readTail(records: Uint8Array, at: number): RecordTail {
  let seconds = 0;
  for (let index = 0; index < 4; index += 1) seconds = seconds * 256 + (records[at + index] ?? 0);
  return { seconds: seconds + FIRST_SECOND, reason: records[at + 4] ?? 0 };
}

interface Layout {
  readonly width: number;
  /** Octets of the mixed four that the bucket's number holds: 0, 1 or 2. */
  readonly bucketBytes: number;
  readonly stride: number;
}

function layoutOf(width: number, bucketCount: number): Layout {
  const bucketBytes = bucketCount === 1 ? 0 : bucketCount === 256 ? 1 : 2;
  return { width, bucketBytes, stride: width - bucketBytes + TAIL_BYTES };
}

/** The last four octets, mixed with those before: given these, each value comes from exactly one other. */
function mix(bytes: Buffer, start: number, width: number): number {
  let others = 0;
  const last = start + width - 4;
  for (let at = start; at < last; at += 1) others = Math.imul(others, 31) + (bytes[at] ?? 0);
  const tail =
    ((bytes[last] ?? 0) << 24) |
    ((bytes[last + 1] ?? 0) << 16) |
    ((bytes[last + 2] ?? 0) << 8) |
    (bytes[last + 3] ?? 0);
  // An odd factor can be undone modulo 2^32: this one is Knuth's, 2^32 divided by the golden ratio.
  return Math.imul(tail ^ others, 0x9e37_79b1) >>> 0;
}

function bucketOf(mixed: number, { bucketBytes }: Layout): number {
  return bucketBytes === 0 ? 0 : mixed >>> (32 - 8 * bucketBytes);
}

/** The octets of a serial number that its record holds. */
function keyOf(serial: Buffer, mixed: number, { width, bucketBytes }: Layout): Uint8Array {
  const key = new Uint8Array(width - bucketBytes);
  key.set(serial.subarray(0, width - 4));
  for (let at = width - 4, byte = bucketBytes; byte < 4; at += 1, byte += 1)
    key[at] = mixed >>> (24 - 8 * byte);
  return key;
}

/** Notes where every entry is and counts the buckets, then places the entries: the buckets' sizes come first. */
export function buildSerialTable(source: CrlEntries): SerialTable {
  const { maximumCount } = source;
  // About 16 records a bucket for a million, and no table that is larger than its list.
  const bucketCount = maximumCount < 512 ? 1 : maximumCount < 65_536 ? 256 : 65_536;
  const notes = new EntryNotes(source.bytes, maximumCount);
  const builders: (Builder | undefined)[] = [];
  while (source.next()) {
    if (source.serialLength > MAX_WIDTH) continue;
    const width = Math.max(source.serialLength, MIN_WIDTH);
    const builder = builders[width] ?? new Builder(width, bucketCount);
    builders[width] = builder;
    builder.count(notes.add(source));
  }
  for (const builder of builders) builder?.allocate();
  for (let index = 0; index < notes.count; index += 1) {
    builders[Math.max(notes.lengths[index] ?? 0, MIN_WIDTH)]?.place(notes, index);
  }
  return new SerialTable(builders.flatMap((builder) => builder?.finish() ?? []));
}

/** 14 bytes of each entry that was read. */
class EntryNotes {
  readonly bytes: Buffer;
  readonly starts: Uint32Array;
  readonly lengths: Uint8Array;
  /** The last four octets of the serial number, mixed. */
  readonly mixed: Uint32Array;
  /** Seconds since 1950. */
  readonly seconds: Uint32Array;
  readonly reasons: Uint8Array;
  readonly #padded = Buffer.alloc(MIN_WIDTH);
  count = 0;

  constructor(bytes: Buffer, maximumCount: number) {
    this.bytes = bytes;
    this.starts = new Uint32Array(maximumCount);
    this.lengths = new Uint8Array(maximumCount);
    this.mixed = new Uint32Array(maximumCount);
    this.seconds = new Uint32Array(maximumCount);
    this.reasons = new Uint8Array(maximumCount);
  }

  /** Returns the mixed octets. */
  add(source: CrlEntries): number {
    const index = this.count;
    const mixed = this.#mixedOf(source);
    this.starts[index] = source.serialStart;
    this.lengths[index] = source.serialLength;
    this.mixed[index] = mixed;
    this.seconds[index] = Math.min(Math.max(source.revokedAtSeconds - FIRST_SECOND, 0), 0xffff_ffff);
    this.reasons[index] = source.reason;
    this.count = index + 1;
    return mixed;
  }

  #mixedOf({ bytes, serialStart, serialLength }: CrlEntries): number {
    if (serialLength >= MIN_WIDTH) return mix(bytes, serialStart, serialLength);
    this.#padded.fill(0);
    bytes.copy(this.#padded, MIN_WIDTH - serialLength, serialStart, serialStart + serialLength);
    return mix(this.#padded, 0, MIN_WIDTH);
  }
}

class Builder {
  readonly #layout: Layout;
  /** First the number of records of each bucket, then the place of its next record, at last its end. */
  readonly #ends: Uint32Array<ArrayBuffer>;
  #records = new Uint8Array(0);

  constructor(width: number, bucketCount: number) {
    this.#layout = layoutOf(width, bucketCount);
    this.#ends = new Uint32Array(bucketCount);
  }

  count(mixed: number): void {
    const bucket = bucketOf(mixed, this.#layout);
    this.#ends[bucket] = (this.#ends[bucket] ?? 0) + 1;
  }

  allocate(): void {
    let total = 0;
    for (let bucket = 0; bucket < this.#ends.length; bucket += 1) {
      const count = this.#ends[bucket] ?? 0;
      this.#ends[bucket] = total;
      total += count;
    }
    this.#records = new Uint8Array(total * this.#layout.stride);
  }

  place({ bytes, starts, mixed, seconds, reasons }: EntryNotes, note: number): void {
    const { width, bucketBytes, stride } = this.#layout;
    const tail = mixed[note] ?? 0;
    const bucket = bucketOf(tail, this.#layout);
    const index = this.#ends[bucket] ?? 0;
    this.#ends[bucket] = index + 1;
    const records = this.#records;
    let at = index * stride;
    // Only serial numbers longer than the least width have octets here, and those fill their width.
    for (let from = starts[note] ?? 0, left = width - 4; left > 0; left -= 1) {
      records[at++] = bytes[from++] ?? 0;
    }
    for (let byte = bucketBytes; byte < 4; byte += 1) records[at++] = tail >>> (24 - 8 * byte);
    const date = seconds[note] ?? 0;
    for (let shift = 24; shift >= 0; shift -= 8) records[at++] = date >>> shift;
    records[at] = reasons[note] ?? 0;
  }

  finish(): SerialBuckets {
    return { width: this.#layout.width, ends: this.#ends, records: this.#records };
  }
}
