/** A certificate nests about ten deep. */
const MAX_DEPTH = 32;
const SEQUENCE = 0x30;
const SET = 0x31;

/**
 * Whether the bytes are exactly one SEQUENCE in DER: definite, minimal lengths at every level, no constructed
 * strings, nothing before or after it (X.690 §10). Two spellings of one certificate have two thumbprints, so only
 * one may pass. Contents of primitive values are not checked.
 */
export function isDerSequence(bytes: Buffer): boolean {
  return bytes[0] === SEQUENCE && elementEnd(bytes, { at: 0, limit: bytes.length }) === bytes.length;
}

/** Cuts concatenated SEQUENCEs apart; undefined when the bytes are anything else. */
export function splitDerSequences(bytes: Buffer): Buffer[] | undefined {
  const found: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = bytes[at] === SEQUENCE ? elementEnd(bytes, { at, limit: bytes.length }) : undefined;
    if (end === undefined) return undefined;
    found.push(bytes.subarray(at, end));
    at = end;
  }
  return found;
}

function elementEnd(
  bytes: Buffer,
  { at, limit, depth = 0 }: { readonly at: number; readonly limit: number; readonly depth?: number },
): number | undefined {
  const tag = bytes[at];
  const content = contentOf(bytes, at, limit);
  // Tags above 30 need more than one byte; no certificate uses them.
  if (tag === undefined || content === undefined || (tag & 0x1f) === 0x1f) return undefined;
  const isConstructed = (tag & 0x20) !== 0;
  if (!isConstructed) return content.end;
  const isUniversal = tag < 0x40;
  if (isUniversal && tag !== SEQUENCE && tag !== SET) return undefined;
  if (depth === MAX_DEPTH) return undefined;
  let next: number | undefined = content.begin;
  while (next !== undefined && next < content.end) {
    next = elementEnd(bytes, { at: next, limit: content.end, depth: depth + 1 });
  }
  return next;
}

function contentOf(bytes: Buffer, at: number, limit: number) {
  const first = bytes[at + 1];
  if (first === undefined || at + 2 > limit) return undefined;
  const size = first < 0x80 ? 0 : first & 0x7f;
  const begin = at + 2 + size;
  // 0x80 alone is the indefinite length of BER; three bytes count to 16 MB.
  if (first === 0x80 || size > 3 || begin > limit) return undefined;
  const length = size === 0 ? first : bytes.readUIntBE(at + 2, size);
  const isMinimal = size === 0 || (length >= 0x80 && length >= 2 ** (8 * (size - 1)));
  return isMinimal && begin + length <= limit ? { begin, end: begin + length } : undefined;
}
