import { parseBase64 } from './forwarded-base64.ts';
import { malformedHeader } from './presented-certificate.ts';

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';
const blockOf = (newline: string) =>
  new RegExp(`${BEGIN}${newline}((?:[A-Za-z0-9+/=]{1,76}${newline})+)${END}(?:${newline}|$)`, 'y');
const WITH_LINES = blockOf('\n');
const WITH_SPACES = blockOf(' ');
/** The characters of a percent-encoded value: printable ASCII. */
const ESCAPED = /^(?:[!-$&-~]|%[0-9A-Fa-f]{2})+$/;

/** Percent-encoded PEM: nginx, AWS, Azure, Envoy. Answers with every certificate in it. @throws ERR_PROXY_HEADER */
export function parseEscapedPem(text: string): Buffer[] {
  return blocksOf(unescaped(text), WITH_LINES);
}

/** PEM with spaces for line breaks: Apache's `%{SSL_CLIENT_CERT}s`. @throws ERR_PROXY_HEADER */
export function parseSpacedPem(text: string): Buffer[] {
  return blocksOf(text, WITH_SPACES);
}

function blocksOf(text: string, block: RegExp): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  while (at < text.length) {
    block.lastIndex = at;
    const body = block.exec(text)?.[1];
    if (body === undefined) throw malformedHeader('the value is not PEM of certificates and nothing else');
    found.push(parseBase64(body.replaceAll(/[\n ]/g, '')));
    at = block.lastIndex;
  }
  return found;
}

/** Decodes once and keeps `+`: form decoding would make it a space and spoil the base64. */
function unescaped(text: string): string {
  if (!ESCAPED.test(text)) throw malformedHeader('the value is not percent-encoded');
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw malformedHeader('the value is not percent-encoded', cause);
  }
}
