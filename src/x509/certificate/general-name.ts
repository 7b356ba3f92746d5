import { contextTag, DerError, type DerReader, decodeOid, type Element, readAll, TAG } from '../der/der.ts';
import { decodeText } from '../der/der-text.ts';
import { type DocumentKind, isTolerated } from '../der/tolerances.ts';
import { type DistinguishedName, namesEqual, readName } from './distinguished-name.ts';

/** A GeneralName (RFC 5280 §4.2.1.6). `ip` holds address octets; the kinds that are not needed stay raw. */
export type GeneralName =
  | { readonly kind: 'dns' | 'uri' | 'email' | 'registeredId'; readonly value: string }
  | { readonly kind: 'ip' | 'x400' | 'ediParty'; readonly value: Buffer }
  | { readonly kind: 'directoryName'; readonly value: DistinguishedName }
  | { readonly kind: 'other'; readonly type: string; readonly value: Buffer };

/**
 *     GeneralName ::= CHOICE { otherName [0], rfc822Name [1] IA5String, dNSName [2] IA5String, x400Address [3],
 *       directoryName [4] Name, ediPartyName [5], uniformResourceIdentifier [6] IA5String,
 *       iPAddress [7] OCTET STRING, registeredID [8] OBJECT IDENTIFIER }
 *
 * @throws DerError
 */
export function readGeneralName(reader: DerReader): GeneralName {
  const element = reader.any();
  switch (element.tag) {
    case contextTag(0, 'constructed'):
      return { kind: 'other', ...readOtherName(element) };
    case contextTag(1, 'primitive'):
      return { kind: 'email', value: ia5(element) };
    case contextTag(2, 'primitive'):
      return { kind: 'dns', value: ia5(element) };
    case contextTag(3, 'constructed'):
      return { kind: 'x400', value: element.content };
    case contextTag(4, 'constructed'):
      return { kind: 'directoryName', value: readAll(element.content, readName) };
    case contextTag(5, 'constructed'):
      return { kind: 'ediParty', value: element.content };
    case contextTag(6, 'primitive'):
      return { kind: 'uri', value: ia5(element) };
    case contextTag(7, 'primitive'):
      return { kind: 'ip', value: element.content };
    case contextTag(8, 'primitive'):
      return { kind: 'registeredId', value: decodeOid(element.content) };
    default:
      throw new DerError('GeneralName is of no known kind');
  }
}

/** GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName */
export function readGeneralNames(reader: DerReader): GeneralName[] {
  return reader.within(TAG.sequence, (names) => names.all(readGeneralName));
}

function readOtherName({ content }: Element): { type: string; value: Buffer } {
  return readAll(content, (reader) => ({
    type: reader.oid(),
    value: reader.within(contextTag(0, 'constructed'), (value) => value.any()).raw,
  }));
}

function ia5({ content }: Element): string {
  return decodeText(TAG.ia5String, content) ?? '';
}

/** An address of 4 or 16 octets as RFC 5952 writes it. */
export function addressText(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  const groups = octets.toString('hex').replace(/.{4}(?!$)/g, '$&:');
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}

/** Whether two names are the same: texts and octets as they are, directory names by RFC 5280 §7.1. */
export function generalNamesEqual(one: GeneralName, other: GeneralName): boolean {
  if (one.kind === 'directoryName') return other.kind === one.kind && namesEqual(one.value, other.value);
  if (one.kind !== other.kind) return false;
  if (one.kind === 'other' && (other.kind !== 'other' || one.type !== other.type)) return false;
  return typeof one.value === 'string'
    ? one.value === other.value
    : Buffer.isBuffer(other.value) && one.value.equals(other.value);
}

const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const HOST = new RegExp(`^${LABEL}(?:\\.${LABEL})*$`);
const MAILBOX = /^[^\s@"\p{Cc}]+@([^@]+)$/u;
/** No comma either: lists of names are written with it. */
const VISIBLE = /^[\x21-\x2b\x2d-\x7e]+$/;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/;

/** Whether `text` is a host name: letters, digits, hyphens, and not the text of an IPv4 address. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && HOST.test(text) && !/(?:^|\.)\d+$/.test(text);
}

/** Whether `text` is a URI with a scheme, in the characters of RFC 3986. */
export function isAbsoluteUri(text: string): boolean {
  return URI.test(text);
}

/** The host of a mailbox `local@host`; undefined when it is none. Quoted local parts are refused. */
export function findMailHost(text: string): string | undefined {
  const host = MAILBOX.exec(text)?.[1];
  return host !== undefined && isHostName(host) ? host : undefined;
}

/** Whether a dNSName is a host name, or a wildcard for one (RFC 6125 §6.4.3: one whole leftmost label). */
export function isDnsName(text: string): boolean {
  return isHostName(text.replace(/^\*\./, ''));
}

/**
 * The fault of a subjectAltName entry, or undefined: a name that its own form forbids must not reach a
 * comparison (RFC 5280 §4.2.1.6). A dNSName of a wrong form is tolerated, and its comparisons fail.
 */
export function subjectNameProblem(
  name: GeneralName,
  kind: DocumentKind = 'certificate',
): string | undefined {
  switch (name.kind) {
    case 'dns':
      return isDnsName(name.value) || (isTolerated('host-name', kind) && VISIBLE.test(name.value))
        ? undefined
        : 'dNSName is no host name';
    case 'email':
      return findMailHost(name.value) === undefined ? 'rfc822Name is no mailbox' : undefined;
    case 'uri':
      return isAbsoluteUri(name.value) ? undefined : 'uniformResourceIdentifier is no absolute URI';
    case 'ip':
      return name.value.length === 4 || name.value.length === 16
        ? undefined
        : 'iPAddress has neither 4 nor 16 octets';
    case 'directoryName':
      return name.value.rdns.length === 0 ? 'directoryName is empty' : undefined;
    case 'other':
    case 'registeredId':
    case 'x400':
    case 'ediParty':
      return undefined;
  }
}
