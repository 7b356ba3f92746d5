import { TAG } from './der.ts';

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
