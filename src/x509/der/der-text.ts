import { isUtf8 } from 'node:buffer';
import { DerError, TAG } from './der.ts';

/** A string type as text; undefined for a tag that is not a string type. */
export function decodeText(tag: number, content: Buffer): string | undefined {
  switch (tag) {
    case TAG.utf8String:
      if (!isUtf8(content)) throw new DerError('UTF8String is not UTF-8');
      return content.toString('utf8');
    case TAG.printableString:
    case TAG.visibleString:
    case TAG.numericString:
      return decodeAscii(content, 0x20, 0x7e);
    case TAG.ia5String:
      return decodeAscii(content, 0x00, 0x7f);
    case TAG.teletexString:
      return content.toString('latin1');
    case TAG.bmpString:
      return decodeBmp(content);
    case TAG.universalString:
      return decodeUniversal(content);
    default:
      return undefined;
  }
}

function decodeAscii(content: Buffer, lowest: number, highest: number): string {
  for (const byte of content) {
    if (byte < lowest || byte > highest) throw new DerError('string has a character outside its type');
  }
  return content.toString('latin1');
}

function decodeBmp(content: Buffer): string {
  if (content.length % 2 !== 0) throw new DerError('BMPString has an odd length');
  const text = Buffer.from(content).swap16().toString('utf16le');
  if (/[\ud800-\udfff]/.test(text)) throw new DerError('BMPString has a surrogate');
  return text;
}

function decodeUniversal(content: Buffer): string {
  if (content.length % 4 !== 0) throw new DerError('UniversalString has a broken length');
  let text = '';
  for (let offset = 0; offset < content.length; offset += 4) {
    const point = content.readUInt32BE(offset);
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
      throw new DerError('UniversalString has a value that is no character');
    }
    text += String.fromCodePoint(point);
  }
  return text;
}
