import { splitDerSequences } from './der-form.ts';
import { malformedHeader } from './presented-certificate.ts';

/** The standard alphabet with its padding (RFC 4648 §4): no line break, no other spelling of the same bytes. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Base64 of one certificate: HAProxy's `ssl_c_der,base64`. @throws ERR_PROXY_HEADER */
export function parseBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  // Unused bits of the last character must be zero, or the same bytes would have several spellings.
  if (text === '' || !BASE64.test(text) || bytes.toString('base64') !== text) {
    throw malformedHeader('the value is not base64');
  }
  return bytes;
}

/** Base64 of certificates one after the other: HAProxy's `ssl_c_chain_der,base64`. @throws ERR_PROXY_HEADER */
export function parseBase64Concatenation(text: string): Buffer[] {
  const found = splitDerSequences(parseBase64(text));
  if (found === undefined) throw malformedHeader('the value is not a row of DER structures');
  return found;
}

/**
 * Base64 of each certificate, with commas between: Traefik. Its releases before 2.5 escaped the value.
 *
 * @throws ERR_PROXY_HEADER
 */
export function parseBase64List(text: string): Buffer[] {
  const isEscaped = text.includes('%');
  const plain = isEscaped ? text.replaceAll(/%(2B|2F|3D|2C)/gi, (code) => decodeURIComponent(code)) : text;
  return plain.split(',').map(parseBase64);
}

/** A structured field byte sequence without parameters (RFC 9440 §2.1): `:MIIB…:`. @throws ERR_PROXY_HEADER */
export function parseByteSequence(text: string): Buffer {
  if (!text.startsWith(':') || !text.endsWith(':') || text.length < 2) {
    throw malformedHeader('the value is not one byte sequence');
  }
  return parseBase64(text.slice(1, -1));
}

/** A list of byte sequences (RFC 9440 §2.3): `:MIIB…:, :MIIC…:`. @throws ERR_PROXY_HEADER */
export function parseByteSequenceList(text: string): Buffer[] {
  return text.split(',').map((item) => parseByteSequence(item.replaceAll(/^[ \t]+|[ \t]+$/g, '')));
}
