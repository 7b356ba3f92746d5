import type { OpenBankingError, Problem } from '../src/errors.ts';
import { MAX_LIST_BYTES } from '../src/files/list-reader.ts';
import { sliceJson } from './json-list.ts';
import { type Slice, SliceError, type SlicedList } from './sliced-list.ts';
import { firstLine, parseYamlDocument, sliceYaml, type YamlDocument } from './yaml-list.ts';

export interface ListOptions {
  /** Name of the member that holds the entries. */
  readonly list: string;
  /** Aliases that YAML may resolve. Default 0: a list repeats nothing, so aliases would only serve attacks by expansion. */
  readonly maxAliases?: number;
  /** Makes the refusal from every problem that was found. */
  readonly invalid: (problems: readonly Problem[]) => OpenBankingError;
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
/** As one YAML document so many bytes become 300 MB in memory, and take 3 s. */
const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** More of them help no one, and each takes a search for its line. */
const MAX_PROBLEMS = 100;

/**
 * A list in YAML or JSON, whose problems are reported with their places. The file is read entry by entry where its form
 * allows that (`sliceJson`, `sliceYaml`), and otherwise as one YAML document, up to 4 MB.
 */
export class ListDocument {
  /** The document; its list is emptied. */
  readonly frame: unknown;
  readonly #bytes: Buffer;
  readonly #options: ListOptions;
  readonly #problems: Problem[] = [];
  readonly #sliced: SlicedList | undefined;
  readonly #entries: readonly unknown[] | undefined;
  /** Index of the first entry of each slice. */
  readonly #firsts: number[] = [];
  #isCut = false;
  #whole: YamlDocument | undefined;

  /** @throws the refusal of `invalid` when the bytes are no document */
  constructor(content: Uint8Array, options: ListOptions) {
    const bytes = withoutMark(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
    const { list, maxAliases = 0, invalid } = options;
    this.#bytes = bytes;
    this.#options = options;
    if (bytes.length > MAX_LIST_BYTES)
      throw invalid([{ path: '', message: `is longer than ${MAX_LIST_BYTES} bytes` }]);
    const sliced = sliceJson(bytes, list) ?? sliceYaml(bytes, list, maxAliases);
    if (bytes.length > MAX_DOCUMENT_BYTES) {
      if (sliced === undefined) throw invalid([this.#unread()]);
      this.frame = sliced.frame;
      this.#sliced = sliced;
      return;
    }
    const entries = sliced === undefined ? undefined : entriesOf(sliced);
    const { frame, all } = entries === undefined ? this.#document() : { frame: sliced?.frame, all: entries };
    this.frame = frame;
    this.#entries = all;
  }

  /**
   * The entries, each of which is parsed when its turn comes.
   *
   * @throws the refusal of `invalid` at an entry that cannot be read
   */
  *entries(): Generator<unknown> {
    if (this.#sliced === undefined) {
      yield* this.#entries ?? [];
      return;
    }
    let at = 0;
    for (const slice of this.#sliced.slices) {
      this.#firsts.push(at);
      const found = this.#parse(slice, at);
      yield* found;
      at += found.length;
    }
  }

  /** Keeps a problem with its place: `tpps[3].nca.id (line 12)`. */
  note(path: readonly PropertyKey[], message: string): void {
    if (this.#problems.length < MAX_PROBLEMS) {
      this.#problems.push({ path: placeOf(path) + this.#lineOf(path), message });
    } else this.#isCut = true;
  }

  /** @throws the refusal of `invalid` when problems were kept */
  assertSound(): void {
    if (this.#problems.length === 0) return;
    const more = this.#isCut ? [{ path: '', message: 'has more problems' }] : [];
    throw this.#options.invalid([...this.#problems, ...more]);
  }

  #parse(slice: Slice, at: number): readonly unknown[] {
    try {
      return this.#sliced?.parse(slice) ?? [];
    } catch (error) {
      if (!(error instanceof SliceError)) throw error;
      const path =
        error.line === undefined
          ? `${this.#options.list}[${at}] (line ${slice.line})`
          : `line ${slice.line + error.line - 1}`;
      throw this.#options.invalid([{ path, message: error.message }]);
    }
  }

  /** Why a long file was cut nowhere. */
  #unread(): Problem {
    const { list } = this.#options;
    if (this.#bytes.subarray(0, 64).toString().trimStart().startsWith('{')) {
      try {
        JSON.parse(this.#bytes.toString());
      } catch (error) {
        const line = /line (\d+) column/.exec(String(error))?.[1];
        return { path: line === undefined ? '' : `line ${line}`, message: 'is not JSON' };
      }
      return { path: '', message: 'names a member twice' };
    }
    const message = `of more than ${MAX_DOCUMENT_BYTES} bytes must be JSON, or YAML with one "- " below the other under "${list}:"`;
    return { path: '', message };
  }

  #document(): { readonly frame: unknown; readonly all: readonly unknown[] } {
    const { list, maxAliases = 0, invalid } = this.#options;
    this.#whole = parseYamlDocument(this.#bytes.toString());
    const { document, lines } = this.#whole;
    if (document.errors.length > 0) {
      throw invalid(
        document.errors.map((error) => ({
          path: `line ${lines.linePos(error.pos[0]).line}`,
          message: firstLine(error.message),
        })),
      );
    }
    const value: unknown = plainValue(() => document.toJS({ maxAliasCount: maxAliases }), invalid);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { frame: value, all: [] };
    const all: unknown = Object.entries(value).find(([name]) => name === list)?.[1];
    return Array.isArray(all) ? { frame: { ...value, [list]: [] }, all } : { frame: value, all: [] };
  }

  #lineOf(path: readonly PropertyKey[]): string {
    if (this.#sliced === undefined) {
      this.#whole ??= parseYamlDocument(this.#bytes.toString());
      return lineIn(this.#whole, path, 1);
    }
    const [list, at, ...rest] = path;
    if (list !== this.#options.list || typeof at !== 'number') return '';
    const number = this.#firsts.findLastIndex((first) => first <= at);
    const slice = this.#sliced.slices[number];
    if (slice === undefined) return '';
    const text = this.#bytes.toString('utf8', slice.start, slice.end);
    const place = this.#sliced.placeOf(at - (this.#firsts[number] ?? 0));
    return lineIn(parseYamlDocument(text), [...place, ...rest], slice.line);
  }
}

/** Every entry, or undefined when one cannot be read. */
function entriesOf({ slices, parse }: SlicedList): readonly unknown[] | undefined {
  try {
    return slices.flatMap((slice) => parse(slice));
  } catch (error) {
    if (error instanceof SliceError) return undefined;
    throw error;
  }
}

/** Editors of some systems begin a file with a byte order mark. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
}

function plainValue(read: () => unknown, invalid: ListOptions['invalid']): unknown {
  try {
    return read();
  } catch (cause) {
    throw invalid([
      { path: '', message: cause instanceof Error ? firstLine(cause.message) : 'is no document' },
    ]);
  }
}

/** The line of what the path names, or of the nearest thing around it that there is. */
function lineIn(
  { document, lines }: YamlDocument,
  path: readonly PropertyKey[],
  firstLineNumber: number,
): string {
  for (let length = path.length; length >= 0; length -= 1) {
    const node: unknown = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    const at = (node as { readonly range?: readonly number[] } | undefined | null)?.range?.[0];
    if (at !== undefined) return ` (line ${lines.linePos(at).line + firstLineNumber - 1})`;
  }
  return '';
}

/** `tpps[3].nca.id`, as people write it. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
