import { contextTag, TAG, writeElement, writeSequence } from '../../x509/der/der.ts';

// The sandbox writes the publications of a CA itself: @peculiar/x509 would add 26 MB to the server's memory.
export { writeElement as element, writeSequence as sequence };

export const octetString = (...parts: readonly Uint8Array[]): Buffer =>
  writeElement(TAG.octetString, ...parts);
export const bitString = (octets: Uint8Array): Buffer =>
  writeElement(TAG.bitString, Buffer.from([0]), octets);
export const enumerated = (value: number): Buffer => writeElement(TAG.enumerated, Buffer.from([value]));
export const utf8String = (text: string): Buffer => writeElement(TAG.utf8String, Buffer.from(text));
export const printableString = (text: string): Buffer => writeElement(TAG.printableString, Buffer.from(text));
export const ia5String = (text: string): Buffer => writeElement(TAG.ia5String, Buffer.from(text));
/** `[number]`, constructed. */
export const context = (number: number, ...parts: readonly Uint8Array[]): Buffer =>
  writeElement(contextTag(number, 'constructed'), ...parts);

/** A non-negative INTEGER. */
export function integer(value: bigint): Buffer {
  const hex = value.toString(16);
  const octets = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  return writeElement(TAG.integer, Buffer.alloc((octets[0] ?? 0) >> 7), octets);
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return writeElement(TAG.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const octets = [arc & 0x7f];
  for (let left = arc >> 7; left > 0; left >>= 7) octets.unshift((left & 0x7f) | 0x80);
  return octets;
}

/** GeneralizedTime in whole seconds: OCSP has no other (RFC 6960 §4.2.2.1). */
export function generalizedTime(at: Date): Buffer {
  return writeElement(TAG.generalizedTime, Buffer.from(digitsOf(at)));
}

/** UTCTime through 2049, then GeneralizedTime (RFC 5280 §5.1.2.4). */
export function time(at: Date): Buffer {
  if (at.getUTCFullYear() >= 2050) return generalizedTime(at);
  return writeElement(TAG.utcTime, Buffer.from(digitsOf(at).slice(2)));
}

function digitsOf(at: Date): string {
  return at.toISOString().replace(/[-:T]|\.\d+/g, '');
}

/** An Extension that is not critical. */
export function extension(type: string, value: Uint8Array): Buffer {
  return writeSequence(oid(type), octetString(value));
}
