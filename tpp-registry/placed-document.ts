import { LineCounter, parseDocument } from 'yaml';
import type { OpenBankingError, Problem } from '../src/errors.ts';

/** A hand-written list in YAML or JSON, whose problems are reported with their places. */
export interface PlacedDocument {
  readonly value: unknown;
  /** Keeps a problem with its place: `tpps[3].nca.id (line 12)`. */
  note(path: readonly PropertyKey[], message: string): void;
  /** Refuses the document if problems were kept. */
  assertSound(): void;
}

/** 64 MB: twice a register of as many records as are taken. */
const MAX_CHARACTERS = 64 * 1024 * 1024;
/** A list repeats nothing, so aliases would only serve attacks by expansion. */
const MAX_ALIASES = 0;

/**
 * Reads the text. `invalid` makes the refusal from every problem that was found.
 *
 * @throws the refusal of `invalid` when the text is no document
 */
export function openDocument(
  content: string,
  invalid: (problems: readonly Problem[]) => OpenBankingError,
): PlacedDocument {
  if (content.length > MAX_CHARACTERS) {
    throw invalid([{ path: '', message: `is longer than ${MAX_CHARACTERS} characters` }]);
  }
  const lines = new LineCounter();
  const document = parseDocument(content, {
    lineCounter: lines,
    uniqueKeys: true,
    strict: true,
    schema: 'core',
  });
  if (document.errors.length > 0) {
    throw invalid(
      document.errors.map((error) => ({
        path: `line ${lines.linePos(error.pos[0]).line}`,
        message: (error.message.split('\n')[0] ?? '').replace(/:$/, ''),
      })),
    );
  }
  const lineOf = (path: readonly PropertyKey[]): string => {
    for (let length = path.length; length > 0; length -= 1) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      const at = (node as { readonly range?: readonly number[] } | undefined)?.range?.[0];
      if (at !== undefined) return ` (line ${lines.linePos(at).line})`;
    }
    return '';
  };
  const problems: Problem[] = [];
  return {
    value: plainValue(document, invalid),
    note: (path, message) => void problems.push({ path: placeOf(path) + lineOf(path), message }),
    assertSound: () => {
      if (problems.length > 0) throw invalid(problems);
    },
  };
}

function plainValue(
  document: ReturnType<typeof parseDocument>,
  invalid: (problems: readonly Problem[]) => OpenBankingError,
): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw invalid([{ path: '', message: cause instanceof Error ? cause.message : 'is not a document' }]);
  }
}

/** `tpps[3].nca.id`, as people write it. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
