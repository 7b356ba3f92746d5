import { type Document, LineCounter, parseDocument } from 'yaml';
import { type Slice, SliceError, type SlicedList } from './sliced-list.ts';

/** A YAML document and its lines. */
export interface YamlDocument {
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Parses YAML as every list is read: no key twice, the core schema. */
export function parseYamlDocument(text: string): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
    schema: 'core',
  });
  return { document, lines };
}

/** Small enough that the tree of a slice does not count, large enough that the start of the parser does not either. */
const SLICE_BYTES = 16_384;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const DASH = 0x2d;

/**
 * Cuts a YAML document at the entries of its list. The list must be in block style, one `- ` below the other under `list:`
 * at the first column. Undefined for another text. Since what belongs to an entry is indented deeper than its dash, a dash
 * in the column of the first one begins an entry, in whatever YAML. An alias to an anchor of another slice is refused.
 */
export function sliceYaml(bytes: Buffer, list: string, maxAliases: number): SlicedList | undefined {
  const walk = new LineWalk(bytes);
  if (!walk.findList(list)) return undefined;
  const head = bytes.toString('utf8', 0, walk.lineStart);
  // A directive holds for the whole document.
  if (head.startsWith('%') || head.includes('\n%')) return undefined;
  const slices = walk.slices();
  if (slices.length === 0) return undefined;
  const parse = ({ start, end }: Slice) => {
    const value = valueIn(bytes.toString('utf8', start, end), maxAliases);
    if (!Array.isArray(value)) throw new SliceError('is not a list');
    return value;
  };
  try {
    const tail = bytes.toString('utf8', slices.at(-1)?.end);
    const frame = valueIn(`${head}${list}: []\n${tail}`, maxAliases);
    return { frame, slices, parse, placeOf: (index) => [index] };
  } catch (error) {
    if (error instanceof SliceError) return undefined;
    throw error;
  }
}

function valueIn(text: string, maxAliases: number): unknown {
  const { document, lines } = parseYamlDocument(text);
  const [error] = document.errors;
  if (error !== undefined) {
    throw new SliceError(firstLine(error.message), { line: lines.linePos(error.pos[0]).line });
  }
  try {
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    throw new SliceError(cause instanceof Error ? firstLine(cause.message) : 'is not YAML', { cause });
  }
}

/** The message of a problem, without the excerpt that follows in the next lines. */
export function firstLine(message: string): string {
  return (message.split('\n')[0] ?? '').replace(/:$/, '');
}

/** Goes from line to line. */
class LineWalk {
  lineStart = 0;
  readonly #bytes: Buffer;
  #line = 1;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Goes to the line `list:`. */
  findList(list: string): boolean {
    const pattern = new RegExp(`^${list}:[ ]*(#.*)?$`);
    for (; this.lineStart < this.#bytes.length; this.#next()) {
      if (this.#bytes[this.lineStart] === list.charCodeAt(0) && pattern.test(this.#text())) return true;
    }
    return false;
  }

  /** From the line `list:` on. */
  slices(): Slice[] {
    const found: Slice[] = [];
    let indent: number | undefined;
    let [start, line] = [0, 0];
    for (this.#next(); this.lineStart < this.#bytes.length; this.#next()) {
      const { column, isBlank, isEntry } = this.#shape();
      if (isBlank) continue;
      if (indent === undefined) {
        if (!isEntry) return [];
        indent = column;
        [start, line] = [this.lineStart, this.#line];
      } else if (column < indent || (column === indent && !isEntry)) break;
      else if (column === indent && this.lineStart - start >= SLICE_BYTES) {
        found.push({ start, end: this.lineStart, line });
        [start, line] = [this.lineStart, this.#line];
      }
    }
    if (indent !== undefined) found.push({ start, end: this.lineStart, line });
    return found;
  }

  #shape(): { readonly column: number; readonly isBlank: boolean; readonly isEntry: boolean } {
    let at = this.lineStart;
    while (this.#bytes[at] === SPACE) at += 1;
    const [first, second = LINE_FEED] = this.#bytes.subarray(at, at + 2);
    return {
      column: at - this.lineStart,
      isBlank: first === undefined || first === LINE_FEED || first === 0x0d || first === 0x23,
      isEntry: first === DASH && second <= SPACE,
    };
  }

  #text(): string {
    const end = this.#bytes.indexOf(LINE_FEED, this.lineStart);
    return this.#bytes.toString('utf8', this.lineStart, end === -1 ? undefined : end).trimEnd();
  }

  #next(): void {
    const end = this.#bytes.indexOf(LINE_FEED, this.lineStart);
    this.lineStart = end === -1 ? this.#bytes.length : end + 1;
    this.#line += 1;
  }
}
