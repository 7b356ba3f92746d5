import { DOMParser, type XmlElement, type XmlNode } from '@xmldom/xmldom';
import { OpenBankingError } from '../../errors.ts';

/** Three times the largest national list. */
export const MAX_TRUSTED_LIST_BYTES = 8 * 1024 * 1024;
/** Real lists have 14 levels. Canonicalisation is recursive. */
const MAX_DEPTH = 64;
const ELEMENT = 1;
const BYTE_ORDER_MARK = '\uFEFF';

/** The refusal of a list that cannot be read. */
export function malformed(source: string, problem: string, cause?: unknown): OpenBankingError {
  return new OpenBankingError('ERR_TRUSTED_LIST_MALFORMED', { source, problem }, { cause });
}

/**
 * The text of a list: UTF-8, at most 8 MB, without a document type, which could define entities.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED
 */
export function decodeList(bytes: Uint8Array, source: string): string {
  if (bytes.byteLength > MAX_TRUSTED_LIST_BYTES) {
    throw malformed(source, `it has more than ${MAX_TRUSTED_LIST_BYTES} bytes`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw malformed(source, 'it is not UTF-8', error);
  }
  if (text.startsWith(BYTE_ORDER_MARK)) text = text.slice(1);
  const declared = /^<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']/.exec(text)?.[1];
  if (declared !== undefined && declared.toUpperCase() !== 'UTF-8') {
    throw malformed(source, `its encoding is ${declared.slice(0, 20)}, not UTF-8`);
  }
  // A comment could hide it from a parser only, so that the words are refused wherever they stand.
  if (/<!\s*(DOCTYPE|ENTITY)/i.test(text)) throw malformed(source, 'it has a document type');
  return text;
}

/**
 * The root of an XML document that any fault makes unreadable: parsers that repair are how signatures get wrapped.
 *
 * @throws ERR_TRUSTED_LIST_MALFORMED
 */
export function parseXml(text: string, source: string): XmlElement {
  const parser = new DOMParser({
    errorHandler: (level, message) => {
      throw malformed(source, `XML ${level}: ${message.replaceAll(/\s+/g, ' ').slice(0, 200)}`);
    },
  });
  const document = parser.parseFromString(text, 'text/xml');
  const root = document.documentElement;
  if (root === null) throw malformed(source, 'it has no element');
  for (let node = document.firstChild; node !== null; node = node.nextSibling) {
    if (node.nodeType === ELEMENT && node !== root) throw malformed(source, 'it has more than one root');
  }
  assertDepth(root, source);
  return root;
}

function assertDepth(root: XmlElement, source: string): void {
  let node: XmlNode | null = root;
  let depth = 1;
  while (node !== null) {
    if (depth > MAX_DEPTH) throw malformed(source, `its elements are nested more than ${MAX_DEPTH} deep`);
    if (node.firstChild !== null) {
      node = node.firstChild;
      depth += 1;
      continue;
    }
    while (node !== null && node !== root && node.nextSibling === null) {
      node = node.parentNode;
      depth -= 1;
    }
    node = node === root || node === null ? null : node.nextSibling;
  }
}
