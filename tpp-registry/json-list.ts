import { type Slice, SliceError, type SlicedList } from './sliced-list.ts';

interface JsonSlice extends Slice {
  /** Members of all its objects, as written. */
  readonly memberCount: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * Cuts JSON at the entries of its list, which is a member of the outermost object. Undefined for a text that is no such JSON.
 * JSON.parse then reads entry by entry, and a member that is named twice is found by count, since JSON.parse keeps the last one.
 */
export function sliceJson(bytes: Buffer, list: string): SlicedList | undefined {
  const scan = new Scan(bytes, list);
  if (!scan.run()) return undefined;
  const { slices, start, end, frameMembers } = scan;
  const text = `${bytes.toString('utf8', 0, start)}${bytes.toString('utf8', end)}`;
  try {
    return { frame: parseMembers(text, frameMembers), slices, parse, placeOf: () => [] };
  } catch (error) {
    if (error instanceof SliceError) return undefined;
    throw error;
  }

  function parse(slice: Slice): readonly unknown[] {
    const { memberCount } = slice as JsonSlice;
    return [parseMembers(bytes.toString('utf8', slice.start, slice.end), memberCount)];
  }
}

function parseMembers(text: string, memberCount: number): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SliceError('is not JSON', { cause });
  }
  if (membersOf(value) !== memberCount) throw new SliceError('names a member twice');
  return value;
}

function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner: unknown[] = Object.values(value);
  return inner.reduce<number>((sum, one) => sum + membersOf(one), Array.isArray(value) ? 0 : inner.length);
}

/** One walk over the bytes, which knows strings, brackets and commas only: JSON.parse judges everything else. */
class Scan {
  readonly slices: JsonSlice[] = [];
  /** Bounds of the entries: after the bracket that opens the list, and at the one that closes it. */
  start = 0;
  end = 0;
  frameMembers = 0;
  readonly #bytes: Buffer;
  readonly #name: Buffer;
  #at = 0;
  #line = 1;
  #depth = 0;
  #isInList = false;
  /** Undefined between two entries. */
  #sliceStart: number | undefined;
  #sliceLine = 0;
  #members = 0;

  constructor(bytes: Buffer, list: string) {
    this.#bytes = bytes;
    this.#name = Buffer.from(JSON.stringify(list));
  }

  /** Whether brackets and quotes are closed. */
  run(): boolean {
    this.#skipSpace();
    if (this.#bytes[this.#at] !== OPEN_OBJECT) return false;
    for (; this.#at < this.#bytes.length; this.#at += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === LINE_FEED) this.#line += 1;
      if (byte === undefined || byte <= 0x20) continue;
      if (this.#isInList && this.#sliceStart === undefined) this.#beginSlice();
      if (byte === QUOTE) this.#string();
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#depth += 1;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) this.#close();
      else if (byte === COMMA && this.#isInList && this.#depth === 2) this.#endSlice();
    }
    return this.#depth === 0 && !this.#isInList;
  }

  /** Passes a string. The name of the list at the first level opens the list. */
  #string(): void {
    const from = this.#at;
    const bytes = this.#bytes;
    this.#at += 1;
    for (; this.#at < bytes.length && bytes[this.#at] !== QUOTE; this.#at += 1) {
      if (bytes[this.#at] === BACKSLASH) this.#at += 1;
    }
    const to = this.#at;
    this.#at += 1;
    this.#skipSpace();
    if (bytes[this.#at] !== COLON) {
      // The loop steps on to this byte.
      this.#at -= 1;
      return;
    }
    if (this.#isInList) this.#members += 1;
    else this.frameMembers += 1;
    if (this.#depth !== 1 || this.start !== 0 || !bytes.subarray(from, to + 1).equals(this.#name)) return;
    this.#at += 1;
    this.#skipSpace();
    if (bytes[this.#at] === OPEN_LIST) this.#openList();
    else this.#at -= 1;
  }

  #openList(): void {
    this.#depth += 1;
    this.#isInList = true;
    this.start = this.#at + 1;
  }

  #close(): void {
    this.#depth -= 1;
    if (!this.#isInList || this.#depth !== 1) return;
    const isEmpty =
      this.slices.length === 0 && this.#bytes.toString('latin1', this.start, this.#at).trim() === '';
    if (!isEmpty) this.#endSlice();
    this.end = this.#at;
    this.#isInList = false;
  }

  #beginSlice(): void {
    this.#sliceStart = this.#at;
    this.#sliceLine = this.#line;
    this.#members = 0;
  }

  #endSlice(): void {
    this.slices.push({
      start: this.#sliceStart ?? this.#at,
      end: this.#at,
      line: this.#sliceLine,
      memberCount: this.#members,
    });
    this.#sliceStart = undefined;
  }

  #skipSpace(): void {
    for (let byte = this.#bytes[this.#at]; byte !== undefined && byte <= 0x20; byte = this.#bytes[this.#at]) {
      if (byte === LINE_FEED) this.#line += 1;
      this.#at += 1;
    }
  }
}
