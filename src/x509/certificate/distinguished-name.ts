import { attributeTypeName, findAttributeType } from './attribute-types.ts';
import { DerError, type DerReader, type Element, readAll, TAG } from '../der/der.ts';
import { decodeText } from '../der/der-text.ts';
import { prepareText } from './string-preparation.ts';
import { escapeValue, malformed, splitName, type WrittenAttribute } from './rfc4514.ts';

export { ATTRIBUTE } from './attribute-types.ts';

/**
 * `type` is a dotted object identifier. `text` is absent when the value is of no string type; `der`, the whole
 * value element, is absent when the attribute was read from a text, which has no string type.
 */
export interface NameAttribute {
  readonly type: string;
  readonly text?: string;
  readonly der?: Buffer;
}

export type RelativeDistinguishedName = readonly NameAttribute[];

/**
 * RDNs in the order of the encoding (country first), the reverse of RFC 4514 strings. `keys` holds one string for
 * each RDN; two RDNs match under RFC 5280 §7.1 exactly when their keys are equal.
 */
export interface DistinguishedName {
  readonly rdns: readonly RelativeDistinguishedName[];
  readonly keys: readonly string[];
}

/** Octets of a Name. The longest of 3,690 certificates of the trusted lists has 293; formatting takes time for each. */
const MAX_NAME_BYTES = 4096;
/** Characters of a name that is shown, and of one of its values. */
const SHOWN = { name: 512, value: 128 };

/**
 * Reads a Name, which may be empty.
 *
 *     Name ::= SEQUENCE OF SET SIZE (1..MAX) OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }
 *
 * The order of the elements of a SET is not checked: issuers write it wrongly, and no comparison depends on it.
 *
 * @throws DerError
 * @see RFC 5280 §4.1.2.4
 */
export function readName(reader: DerReader): DistinguishedName {
  const { content } = reader.element(TAG.sequence);
  if (content.length > MAX_NAME_BYTES) throw new DerError(`name is longer than ${MAX_NAME_BYTES} octets`);
  return createName(readAll(content, (rdns) => rdns.all((rdn) => rdn.within(TAG.set, readRdn), 0)));
}

function readRdn(reader: DerReader): NameAttribute[] {
  return reader.all((attributes) =>
    attributes.within(TAG.sequence, (attribute) => attributeOf(attribute.oid(), attribute.any())),
  );
}

/**
 * Reads the content of a RelativeDistinguishedName.
 *
 * @throws DerError
 */
export function readRelativeName(content: Buffer): RelativeDistinguishedName {
  return Object.freeze(readAll(content, readRdn));
}

/** The name one level below `base` (RFC 5280 §4.2.1.13, nameRelativeToCRLIssuer). */
export function nameBelow(base: DistinguishedName, rdn: RelativeDistinguishedName): DistinguishedName {
  return Object.freeze({
    rdns: Object.freeze([...base.rdns, rdn]),
    keys: Object.freeze([...base.keys, keyOf(rdn)]),
  });
}

/**
 * Reads the DER of a Name.
 *
 * @throws ERR_NAME_MALFORMED
 */
export function decodeName(der: Uint8Array): DistinguishedName {
  return refusingName(() => readAll(Buffer.from(der), readName));
}

/**
 * Reads an RFC 4514 string: types short, long, dotted or `OID.`, values as text or `#` and hexadecimal DER.
 *
 * @throws ERR_NAME_MALFORMED
 */
export function parseName(text: string): DistinguishedName {
  const rdns = splitName(text).map((rdn) => rdn.map(attributeFromText));
  return createName(rdns.reverse());
}

function attributeFromText({ type, value }: WrittenAttribute): NameAttribute {
  const oid = findAttributeType(type);
  if (oid === undefined) throw malformed(`unknown attribute type ${type}`);
  if ('text' in value) return Object.freeze({ type: oid, text: value.text });
  return refusingName(() =>
    attributeOf(
      oid,
      readAll(value.der, (reader) => reader.any()),
    ),
  );
}

/**
 * The RFC 4514 string. `readable` names the types that people know, such as organizationIdentifier; `strict` names
 * those of RFC 4514 §3 only and writes all others as `2.5.4.97=#0c…`. Both are read back by `parseName`.
 */
export function formatName(name: DistinguishedName, form: 'readable' | 'strict' = 'readable'): string {
  return name.rdns
    .map((rdn) => rdn.map((attribute) => formatAttribute(attribute, form)).join('+'))
    .reverse()
    .join(',');
}

/** The readable form for people and logs: cut, with an ellipsis, before it is formatted. It names nothing for certain. */
export function shownName(name: DistinguishedName): string {
  let shown = '';
  for (const rdn of name.rdns.toReversed()) {
    const text = rdn.map((attribute) => formatAttribute(cutAttribute(attribute), 'readable')).join('+');
    shown += shown === '' ? text : `,${text}`;
    if (shown.length > SHOWN.name) return shownText(shown, SHOWN.name);
  }
  return shown;
}

function cutAttribute({ type, text, der }: NameAttribute): NameAttribute {
  return {
    type,
    ...(text === undefined ? {} : { text: shownText(text) }),
    ...(der === undefined ? {} : { der: der.subarray(0, SHOWN.value) }),
  };
}

/** The beginning of a text of a certificate, for people and logs. */
export function shownText(text: string, maximum: number = SHOWN.value): string {
  return text.length <= maximum ? text : `${text.slice(0, maximum).toWellFormed()}…`;
}

function formatAttribute(attribute: NameAttribute, form: 'readable' | 'strict'): string {
  const { type, text, der } = attribute;
  const name = attributeTypeName(type, form);
  if (text !== undefined && isReadable(attribute) && (name !== undefined || der === undefined)) {
    return `${name ?? type}=${escapeValue(text)}`;
  }
  return `${name ?? type}=#${der?.toString('hex') ?? ''}`;
}

/** Whether two names match, RDN by RDN in order; within an RDN the attributes are a set. */
export function namesEqual(a: DistinguishedName, b: DistinguishedName): boolean {
  return a.keys.length === b.keys.length && a.keys.at(-1) === b.keys.at(-1) && isWithin(a, b);
}

/** Whether `base` is `name` or above it in the directory tree (RFC 5280 §4.2.1.10, directoryName). */
export function isWithin(name: DistinguishedName, base: DistinguishedName): boolean {
  return base.keys.length <= name.keys.length && base.keys.every((key, index) => key === name.keys[index]);
}

/** The texts of every attribute of a type, in the order of the encoding. */
export function findAttribute(name: DistinguishedName, oid: string): string[] {
  return name.rdns.flat().flatMap(({ type, text }) => (type === oid && text !== undefined ? [text] : []));
}

function createName(rdns: readonly NameAttribute[][]): DistinguishedName {
  return Object.freeze({
    rdns: Object.freeze(rdns.map((rdn) => Object.freeze(rdn))),
    keys: Object.freeze(rdns.map(keyOf)),
  });
}

function attributeOf(type: string, { tag, content, raw }: Element): NameAttribute {
  const text = decodeText(tag, content);
  return Object.freeze({ type, der: raw, ...(text === undefined ? {} : { text }) });
}

function keyOf(rdn: RelativeDistinguishedName): string {
  const [first, ...others] = rdn.map(attributeKey);
  return others.length === 0 ? (first ?? '') : JSON.stringify([first, ...others].sort());
}

/**
 * RFC 5280 §7.1 with two choices of our own, both on the side of refusal: a text with a character that does not show
 * equals only the same text, and a TeletexString, whose character set is not defined, only itself, octet by octet.
 */
function attributeKey({ type, text, der }: NameAttribute): string {
  if (text === undefined || der?.[0] === TAG.teletexString) return `${type}#${der?.toString('hex') ?? ''}`;
  const prepared = prepareText(text);
  return prepared === undefined ? `${type}"${text}` : `${type}=${prepared}`;
}

/** The same name as it is read from a text: without string types, so that a TeletexString of plain ASCII is found. */
export function withoutStringTypes(name: DistinguishedName): DistinguishedName {
  return createName(
    name.rdns.map((rdn) =>
      rdn.map((attribute) =>
        attribute.text !== undefined && isReadable(attribute)
          ? Object.freeze({ type: attribute.type, text: attribute.text })
          : attribute,
      ),
    ),
  );
}

/** Whether the text of an attribute is certain: that of a TeletexString is where it is ASCII. */
function isReadable({ text, der }: NameAttribute): boolean {
  return text !== undefined && (der?.[0] !== TAG.teletexString || /^[ -~]*$/.test(text));
}

function refusingName<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DerError) throw malformed(error.message, error);
    throw error;
  }
}
