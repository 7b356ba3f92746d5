import type { IncomingMessage } from 'node:http';
import { OpenBankingError } from '../errors.ts';
import { malformedHeader } from './presented-certificate.ts';
import { PROXY_FORMATS } from './proxy-formats.ts';

const MAX_FIELD_CHARACTERS = 16 * 1024;
/** Names that other software uses; none of ours reads them. */
const FURTHER_NAMES = [
  'x-client-cert-chain',
  'x-ssl-cert',
  'x-ssl-client-certificate',
  'x-client-certificate',
];

const KNOWN = new Set([
  ...Object.values(PROXY_FORMATS).flatMap((format) => [
    format.header,
    ...('chainHeader' in format ? [format.chainHeader] : []),
  ]),
  ...FURTHER_NAMES,
]);

/**
 * By length of a known name, a bit for its first letter, in either case. Nearly every field of a request
 * is passed over by it; a regular expression in its place costs an API 0.06 µs and 140 bytes a request.
 */
const INITIALS: number[] = [];
for (const name of KNOWN) INITIALS[name.length] = (INITIALS[name.length] ?? 0) | initialBit(name);

/** Names that much software treats as equal: case does not count, and `_` becomes `-` in CGI. */
export function foldedName(name: string): string {
  // A hyphen stays: to replace it by itself makes this ten times as slow.
  return name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-');
}

/** False only for a name that folds to none of the known ones: names are ASCII, so folding keeps length and letters. */
function mayBeKnown(name: string): boolean {
  const initials = INITIALS[name.length];
  return initials !== undefined && (initials & initialBit(name)) !== 0;
}

function initialBit(name: string): number {
  return 1 << (name.charCodeAt(0) & 31);
}

/** The first field that would forward a certificate, under any name that is known for it or is in `names`. */
export function findForwardedField(
  rawHeaders: readonly string[],
  names: readonly string[] = [],
): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (names.length === 0 && !mayBeKnown(name)) continue;
    const folded = foldedName(name);
    if (KNOWN.has(folded) || names.includes(folded)) return name;
  }
  return undefined;
}

/**
 * Refuses a request that carries a certificate in a field, where no proxy is trusted.
 *
 * @throws ERR_PROXY_UNTRUSTED
 * @see RFC 9440 §4
 */
export function assertNothingForwarded(request: IncomingMessage, names: readonly string[] = []): void {
  const field = findForwardedField(request.rawHeaders, names);
  if (field !== undefined) {
    throw new OpenBankingError('ERR_PROXY_UNTRUSTED', {
      header: field.slice(0, 100),
      peer: request.socket.remoteAddress ?? 'unknown',
    });
  }
}

/**
 * The value of a field that a proxy sets, or undefined. `name` is in lower case.
 *
 * @throws ERR_PROXY_HEADER when the field is sent twice, is too long, or has a look-alike beside it
 */
export function findOneField(rawHeaders: readonly string[], name: string): string | undefined {
  let found: string | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const sent = rawHeaders[at] ?? '';
    if (sent.length !== name.length || foldedName(sent) !== name) continue;
    if (sent.toLowerCase() !== name) throw malformedHeader('a field has a look-alike name');
    if (found !== undefined) throw malformedHeader('the field comes more than once');
    found = rawHeaders[at + 1] ?? '';
  }
  if (found !== undefined && found.length > MAX_FIELD_CHARACTERS)
    throw malformedHeader('the field is too long');
  return found;
}
