/** An Integer, a String or a Boolean: no other bare item is used by HTTP signatures as FAPI has them. */
export type BareItem = string | number | boolean;

export type ItemParameters = ReadonlyMap<string, BareItem>;

/** A String with parameters: the identifier of a component. */
export interface StringItem {
  readonly value: string;
  readonly parameters: ItemParameters;
}

/** The value of a member of `Signature-Input`. */
export interface InnerList {
  readonly items: readonly StringItem[];
  readonly parameters: ItemParameters;
}

/** A field that is not of the form. The message names the problem. */
export class StructuredFieldError extends Error {
  override readonly name = 'StructuredFieldError';
}

/** More than any signature of ours needs; the length of all fields is bounded by Node. */
const MAX_MEMBERS = 16;
const MAX_ITEMS = 64;
const MAX_PARAMETERS = 16;

/**
 * Parses a Dictionary of Inner Lists of Strings.
 *
 *     sig1=("@method" "content-digest");created=1618884473;keyid="k1"
 *
 * Stricter than RFC 9651: a key that comes twice is an error, since two readers could choose different values.
 *
 * @throws StructuredFieldError
 * @see RFC 9651 §4.2.2
 */
export function parseInnerLists(text: string): ReadonlyMap<string, InnerList> {
  return new FieldReader(text).dictionary((reader) => reader.innerList());
}

/**
 * Parses a Dictionary of Byte Sequences without parameters.
 *
 *     sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:
 *
 * @throws StructuredFieldError
 */
export function parseByteSequences(text: string): ReadonlyMap<string, Buffer> {
  return new FieldReader(text).dictionary((reader) => reader.byteSequence());
}

/** The one spelling of an Inner List (RFC 9651 §4.1.1.1), which RFC 9421 §2.3 puts into the signature base. */
export function serializeInnerList({ items, parameters }: InnerList): string {
  return `(${items.map(serializeItem).join(' ')})${serializeParameters(parameters)}`;
}

/** The identifier of a component, as it stands in the signature base. */
export function serializeItem({ value, parameters }: StringItem): string {
  return serializeBare(value) + serializeParameters(parameters);
}

export function serializeBytes(bytes: Uint8Array): string {
  return `:${Buffer.from(bytes).toString('base64')}:`;
}

function serializeParameters(parameters: ItemParameters): string {
  return [...parameters]
    .map(([name, value]) => (value === true ? `;${name}` : `;${name}=${serializeBare(value)}`))
    .join('');
}

function serializeBare(value: BareItem): string {
  if (typeof value === 'boolean') return value ? '?1' : '?0';
  if (typeof value === 'number') return String(value);
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

const KEY = /[a-z*][a-z0-9_\-.*]*/y;
const INTEGER = /-?\d{1,15}(?![\d.])/y;
const STRING = /"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/y;
const BYTES = /:([A-Za-z0-9+/]*={0,2}):/y;
const BOOLEAN = /\?([01])/y;
const OPTIONAL_SPACE = /[ \t]*/y;
const SPACES = / */y;

class FieldReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  dictionary<T>(member: (reader: FieldReader) => T): ReadonlyMap<string, T> {
    const members = new Map<string, T>();
    this.#take(SPACES);
    for (;;) {
      const key = this.#needed(KEY, 'a key')[0];
      if (members.has(key)) throw new StructuredFieldError(`${key} is there twice`);
      this.#literal('=');
      members.set(key, member(this));
      if (members.size > MAX_MEMBERS) throw new StructuredFieldError(`more than ${MAX_MEMBERS} members`);
      this.#take(OPTIONAL_SPACE);
      if (this.#at === this.#text.length) return members;
      this.#literal(',');
      this.#take(OPTIONAL_SPACE);
    }
  }

  innerList(): InnerList {
    this.#literal('(');
    const items: StringItem[] = [];
    for (;;) {
      const spaces = this.#take(SPACES)?.[0] ?? '';
      if (this.#text[this.#at] === ')') break;
      if (items.length > 0 && spaces === '') throw this.#expected('a space');
      items.push({ value: this.#string(), parameters: this.#parameters() });
      if (items.length > MAX_ITEMS) throw new StructuredFieldError(`more than ${MAX_ITEMS} components`);
    }
    this.#literal(')');
    return { items, parameters: this.#parameters() };
  }

  byteSequence(): Buffer {
    const [, text = ''] = this.#needed(BYTES, 'a byte sequence');
    const bytes = Buffer.from(text, 'base64');
    // One value has one spelling: with its padding, and without stray bits (RFC 4648 §3.5).
    if (bytes.toString('base64') !== text) throw new StructuredFieldError('a byte sequence is no base64');
    return bytes;
  }

  #parameters(): ItemParameters {
    const parameters = new Map<string, BareItem>();
    while (this.#text[this.#at] === ';') {
      this.#at += 1;
      this.#take(SPACES);
      const key = this.#needed(KEY, 'the name of a parameter')[0];
      if (parameters.has(key)) throw new StructuredFieldError(`${key} is there twice`);
      parameters.set(key, this.#parameterValue());
      if (parameters.size > MAX_PARAMETERS) {
        throw new StructuredFieldError(`more than ${MAX_PARAMETERS} parameters`);
      }
    }
    return parameters;
  }

  #parameterValue(): BareItem {
    if (this.#text[this.#at] !== '=') return true;
    this.#at += 1;
    const integer = this.#take(INTEGER);
    if (integer !== undefined) return Number(integer[0]) || 0;
    const boolean = this.#take(BOOLEAN);
    return boolean === undefined ? this.#string() : boolean[1] === '1';
  }

  #string(): string {
    return (this.#needed(STRING, 'a string')[1] ?? '').replaceAll(/\\(.)/g, '$1');
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }

  #needed(pattern: RegExp, name: string): RegExpExecArray {
    const match = this.#take(pattern);
    if (match === undefined) throw this.#expected(name);
    return match;
  }

  #literal(character: string): void {
    if (this.#text[this.#at] !== character) throw this.#expected(character);
    this.#at += 1;
  }

  #expected(name: string): StructuredFieldError {
    return new StructuredFieldError(`${name} was expected at character ${this.#at + 1}`);
  }
}
