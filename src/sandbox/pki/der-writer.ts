/** One element. The sandbox writes the publications of a CA; a library for it would stay in the server's memory. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const octets = octetsOf(BigInt(length));
  return Buffer.concat([Buffer.from([0x80 | octets.length]), octets]);
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => element(0x30, ...parts);
export const octetString = (...parts: readonly Uint8Array[]): Buffer => element(0x04, ...parts);
export const bitString = (octets: Uint8Array): Buffer => element(0x03, Buffer.from([0]), octets);
export const enumerated = (value: number): Buffer => element(0x0a, Buffer.from([value]));
/** `[number]`, constructed. */
export const context = (number: number, ...parts: readonly Uint8Array[]): Buffer =>
  element(0xa0 | number, ...parts);

/** A non-negative INTEGER. */
export function integer(value: bigint): Buffer {
  const octets = octetsOf(value);
  return element(0x02, (octets[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), octets]) : octets);
}

function octetsOf(value: bigint): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const octets = [arc & 0x7f];
  for (let left = arc >> 7; left > 0; left >>= 7) octets.unshift((left & 0x7f) | 0x80);
  return octets;
}

/** GeneralizedTime in whole seconds: OCSP has no other (RFC 6960 §4.2.2.1). */
export function generalizedTime(at: Date): Buffer {
  return element(0x18, Buffer.from(digitsOf(at)));
}

/** UTCTime through 2049, then GeneralizedTime (RFC 5280 §5.1.2.4). */
export function time(at: Date): Buffer {
  return at.getUTCFullYear() < 2050 ? element(0x17, Buffer.from(digitsOf(at).slice(2))) : generalizedTime(at);
}

function digitsOf(at: Date): string {
  return at.toISOString().replace(/[-:T]|\.\d+/g, '');
}

/** An Extension that is not critical. */
export function extension(type: string, value: Uint8Array): Buffer {
  return sequence(oid(type), octetString(value));
}
