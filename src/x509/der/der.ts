import { type DocumentKind, isTolerated } from './tolerances.ts';

/** A fault of a byte string that should be DER. Parsers map it to a refusal of their own. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** One element: `raw` is the whole element, `content` its contents octets. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  readonly raw: Buffer;
}

export const TAG = Object.freeze({
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
});

/** Content octets of the longest object identifier: 2.25 with a 128-bit UUID needs 20; the rest is room. */
const MAX_OID_BYTES = 64;

/** The tag of a context-specific field, `[number]`. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

/**
 * Reads DER elements one after another, and only DER: a BER form (indefinite length, length not minimal, padded
 * INTEGER, odd BOOLEAN, unused bit set) is an error. Tag numbers above 30 are refused: X.509 has none.
 *
 * @throws DerError
 * @see X.690 §8, §10, §11
 */
export class DerReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  /** The next tag, without moving; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  any(): Element {
    const bytes = this.#bytes;
    const start = this.#offset;
    const tag = bytes[start];
    const first = bytes[start + 1];
    if (tag === undefined || first === undefined) throw new DerError('element is cut off');
    if ((tag & 0x1f) === 0x1f) throw new DerError('tag number is above 30');
    if (tag === 0) throw new DerError('end-of-contents octets');
    let length = first;
    let from = start + 2;
    if (first >= 0x80) {
      const octets = first & 0x7f;
      if (octets === 0) throw new DerError('indefinite length');
      if (octets > 4 || from + octets > bytes.length) throw new DerError('element is cut off');
      length = bytes.readUIntBE(from, octets);
      if (length < 0x80 || bytes[from] === 0) throw new DerError('length is not minimal');
      from += octets;
    }
    const end = from + length;
    if (end > bytes.length) throw new DerError('element is cut off');
    this.#offset = end;
    return { tag, content: bytes.subarray(from, end), raw: bytes.subarray(start, end) };
  }

  element(tag: number): Element {
    if (this.nextTag !== tag) {
      throw new DerError(`tag ${hexByte(tag)} expected, ${hexByte(this.nextTag)} found`);
    }
    return this.any();
  }

  content(tag: number): Buffer {
    return this.element(tag).content;
  }

  /** The element if it has this tag, otherwise undefined and nothing is read. */
  optional(tag: number): Element | undefined {
    return this.nextTag === tag ? this.any() : undefined;
  }

  /** Reads all of a constructed element by `read`, so that nothing may follow inside it. */
  within<T>(tag: number, read: (reader: DerReader) => T): T {
    return readAll(this.content(tag), read);
  }

  optionalWithin<T>(tag: number, read: (reader: DerReader) => T): T | undefined {
    return this.nextTag === tag ? this.within(tag, read) : undefined;
  }

  /** The content of an optional element by `decode`. */
  optionalContent<T>(tag: number, decode: (content: Buffer) => T): T | undefined {
    return this.nextTag === tag ? decode(this.content(tag)) : undefined;
  }

  /** A SEQUENCE OF SEQUENCE whose inner ones are each read by `read`; at least `minimum` of them. */
  sequences<T>(read: (reader: DerReader) => T, minimum = 1): T[] {
    return this.within(TAG.sequence, (list) => list.all((one) => one.within(TAG.sequence, read), minimum));
  }

  oid(): string {
    return decodeOid(this.content(TAG.oid));
  }

  boolean(): boolean {
    return decodeBoolean(this.content(TAG.boolean));
  }

  /**
   * A BOOLEAN DEFAULT FALSE, under a tag of its own where one is given: DER leaves the default out (X.690 §11.5).
   * `kind`: the document, which may be tolerated to write it.
   */
  flag(tag: number = TAG.boolean, kind: DocumentKind = 'certificate'): boolean {
    if (this.nextTag !== tag) return false;
    const value = decodeBoolean(this.content(tag));
    if (!value && !isTolerated('written-default', kind))
      throw new DerError('the default FALSE is written out');
    return value;
  }

  /** Every remaining element, each read by `read`; at least `minimum` of them. */
  all<T>(read: (reader: DerReader) => T, minimum = 1): T[] {
    const items: T[] = [];
    while (!this.isAtEnd) items.push(read(this));
    if (items.length < minimum) throw new DerError('list is empty');
    return items;
  }

  /** Nothing may follow. */
  end(): void {
    if (!this.isAtEnd) throw new DerError('bytes follow the last element');
  }
}

/** Reads all of `bytes` as one value. */
export function readAll<T>(bytes: Buffer, read: (reader: DerReader) => T): T {
  const reader = new DerReader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}

export function decodeBoolean(content: Buffer): boolean {
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
    throw new DerError('BOOLEAN is neither 00 nor FF');
  }
  return content[0] === 0xff;
}

/** The two's complement octets, proven minimal. */
export function decodeInteger(content: Buffer): Buffer {
  const first = content[0];
  if (first === undefined) throw new DerError('INTEGER is empty');
  const second = content[1];
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new DerError('INTEGER is not minimal');
  }
  return content;
}

/** A non-negative INTEGER that counts something, such as a path length. */
export function decodeCount(content: Buffer): number {
  const octets = decodeInteger(content);
  if ((octets[0] ?? 0) >= 0x80) throw new DerError('INTEGER is negative');
  return octets.length > 4 ? Number.MAX_SAFE_INTEGER : octets.readUIntBE(0, octets.length);
}

/** The octets of a BIT STRING that holds whole octets, as keys and signatures do. */
export function decodeOctetBits(content: Buffer): Buffer {
  const { octets, unusedBits } = decodeBitString(content);
  if (unusedBits !== 0) throw new DerError('BIT STRING does not hold whole octets');
  return octets;
}

/**
 * The numbers of the set bits of a named bit list. Trailing zero bits, which X.690 §11.2.2 forbids, are accepted:
 * certificates of the German trusted list have them, and they change no meaning.
 */
export function decodeNamedBits(content: Buffer): number[] {
  const { octets } = decodeBitString(content);
  const found: number[] = [];
  for (let bit = 0; bit < octets.length * 8; bit += 1) {
    if (((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) found.push(bit);
  }
  return found;
}

function decodeBitString(content: Buffer): { readonly octets: Buffer; readonly unusedBits: number } {
  const unusedBits = content[0];
  if (unusedBits === undefined || unusedBits > 7 || (content.length === 1 && unusedBits > 0)) {
    throw new DerError('BIT STRING has a wrong count of unused bits');
  }
  const last = content.length > 1 ? (content.at(-1) ?? 0) : 0;
  if ((last & ((1 << unusedBits) - 1)) !== 0) throw new DerError('BIT STRING has an unused bit set');
  return { octets: content.subarray(1), unusedBits };
}

/** Dotted form, `2.5.4.97`. */
export function decodeOid(content: Buffer): string {
  if (content.length === 0 || content.length > MAX_OID_BYTES || (content.at(-1) ?? 0x80) >= 0x80) {
    throw new DerError('OBJECT IDENTIFIER is empty, cut off or too long');
  }
  let dotted = '';
  let arc: number | bigint = 0;
  let isArcStart = true;
  for (const octet of content) {
    if (isArcStart && octet === 0x80) throw new DerError('OBJECT IDENTIFIER arc is not minimal');
    const bits = octet & 0x7f;
    arc = typeof arc === 'number' && arc < 2 ** 45 ? arc * 128 + bits : BigInt(arc) * 128n + BigInt(bits);
    isArcStart = octet < 0x80;
    if (!isArcStart) continue;
    dotted = dotted === '' ? firstArcs(arc) : `${dotted}.${arc}`;
    arc = 0;
  }
  return dotted;
}

function firstArcs(arc: number | bigint): string {
  if (arc < 40) return `0.${arc}`;
  if (arc < 80) return `1.${BigInt(arc) - 40n}`;
  return `2.${BigInt(arc) - 80n}`;
}

function hexByte(value: number | undefined): string {
  return value === undefined ? 'nothing' : `0x${value.toString(16).padStart(2, '0')}`;
}

/** One DER element: tag number up to 30, definite length, contents of up to 64 kB. */
export function writeElement(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const octets =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...octets]), content]);
}

export function writeSequence(...parts: readonly Uint8Array[]): Buffer {
  return writeElement(TAG.sequence, ...parts);
}
