import { isUtf8 } from 'node:buffer';
import { OpenBankingError } from '../../errors.ts';

/** One `type=value` as it was written: the value is text, or the DER that `#` announced. */
export interface WrittenAttribute {
  readonly type: string;
  readonly value: { readonly text: string } | { readonly der: Buffer };
}

/** Longest string that is read: a name is a line of a form or of a registration, not a document. */
const MAX_LENGTH = 16_384;
const TYPE = /\s*([A-Za-z][A-Za-z0-9-]*|(?:OID\.)?\d+(?:\.\d+)*)\s*=\s*/iy;
const HEX_VALUE = /#((?:[0-9a-f]{2})+)\s*(?=[,+]|$)/iy;

/**
 * Splits a name into RDNs, as written (last RDN of the encoding first). Besides RFC 4514 it allows spaces around
 * `,`, `+` and `=`, and a text value after a dotted type. Quoted values of RFC 1779 are refused.
 *
 * @throws ERR_NAME_MALFORMED
 * @see RFC 4514 §3
 */
export function splitName(text: string): WrittenAttribute[][] {
  if (text.length > MAX_LENGTH) throw malformed(`longer than ${MAX_LENGTH} characters`);
  if (text.trim() === '') return [];
  const rdns: WrittenAttribute[][] = [];
  let rdn: WrittenAttribute[] = [];
  let offset = 0;
  for (;;) {
    const { attribute, end } = readAttribute(text, offset);
    rdn.push(attribute);
    const separator = text[end];
    if (separator !== '+') {
      rdns.push(rdn);
      rdn = [];
    }
    if (separator === undefined) return rdns;
    offset = end + 1;
  }
}

function readAttribute(text: string, offset: number): { attribute: WrittenAttribute; end: number } {
  TYPE.lastIndex = offset;
  const type = TYPE.exec(text)?.[1];
  if (type === undefined) throw malformed(`attribute type expected at character ${offset}`);
  const start = TYPE.lastIndex;
  if (text[start] !== '#') {
    const { value, end } = readText(text, start);
    return { attribute: { type, value: { text: value } }, end };
  }
  HEX_VALUE.lastIndex = start;
  const digits = HEX_VALUE.exec(text)?.[1];
  if (digits === undefined) throw malformed(`hexadecimal value expected at character ${start}`);
  return { attribute: { type, value: { der: Buffer.from(digits, 'hex') } }, end: HEX_VALUE.lastIndex };
}

/** Escaped pairs may spell UTF-8 octets, so the value is gathered as octets. */
function readText(text: string, start: number): { value: string; end: number } {
  const parts: Buffer[] = [];
  let offset = start;
  let kept = 0;
  let length = 0;
  while (offset < text.length && text[offset] !== ',' && text[offset] !== '+') {
    const { octets, end } = readCharacter(text, offset);
    parts.push(octets);
    length += octets.length;
    if (text[offset] !== ' ') kept = length;
    offset = end;
  }
  const bytes = Buffer.concat(parts).subarray(0, kept);
  if (!isUtf8(bytes)) throw malformed('escaped octets are not UTF-8');
  return { value: bytes.toString('utf8'), end: offset };
}

function readCharacter(text: string, offset: number): { octets: Buffer; end: number } {
  const point = text.codePointAt(offset) ?? 0;
  if (point >= 0xd800 && point <= 0xdfff) throw malformed(`unpaired surrogate at character ${offset}`);
  if (point === 0 || '";<>'.includes(text.charAt(offset))) {
    throw malformed(`unescaped special at character ${offset}`);
  }
  if (text[offset] !== '\\') {
    const end = offset + (point > 0xffff ? 2 : 1);
    return { octets: Buffer.from(text.slice(offset, end), 'utf8'), end };
  }
  const next = text.slice(offset + 1, offset + 3);
  if (/^[0-9a-f]{2}$/i.test(next)) return { octets: Buffer.from(next, 'hex'), end: offset + 3 };
  if (next === '' || !' "#+,;<=>\\'.includes(next.charAt(0))) {
    throw malformed(`unknown escape at character ${offset}`);
  }
  return { octets: Buffer.from(next.charAt(0), 'latin1'), end: offset + 2 };
}

/** Controls, line separators and bidirectional marks: legal in a value, but never written raw. */
const INVISIBLE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/gu;

/** A value as RFC 4514 §2.4 writes it; characters that a reader cannot see become hexadecimal pairs. */
export function escapeValue(text: string): string {
  return text
    .replace(/[\\"+,;<>]/g, '\\$&')
    .replace(/^[ #]/, '\\$&')
    .replace(/(?<!^\\) $/, '\\ ')
    .replace(INVISIBLE, (run) => encodeURIComponent(run).replaceAll('%', '\\'));
}

export function malformed(problem: string, cause?: unknown): OpenBankingError<'ERR_NAME_MALFORMED'> {
  return new OpenBankingError('ERR_NAME_MALFORMED', { problem }, { cause });
}
