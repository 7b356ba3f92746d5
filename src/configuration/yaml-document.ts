import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { invalidConfig } from '../errors.ts';

/** Longest name that a problem shows. */
const MAX_NAME = 128;
const MAX_ALIASES = 20;

/** A text as YAML, and the lines of its parts. */
export interface ParsedYaml {
  readonly value: unknown;
  /** The line of the value at the path, or of the nearest one around it; undefined for an empty document. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/**
 * Reads a text as YAML (or JSON, which is YAML).
 *
 * @throws ERR_CONFIG_INVALID with the line of each problem
 */
export function parseYaml(text: string, source: string): ParsedYaml {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      path: `line ${lineAt(error.pos[0])}`,
      message: error.message.split('\n')[0] ?? '',
    }));
    throw invalidConfig(source, problems);
  }
  return {
    value: document.toJS({ maxAliasCount: MAX_ALIASES }),
    lineOf: (path) => {
      const offset = offsetOf(document, path);
      return offset === undefined ? undefined : lineAt(offset);
    },
  };
}

/** A message with the identifier of the client around a place, which people know better than its number. */
export function withClientName(message: string, value: unknown, path: readonly PropertyKey[] = []): string {
  let at = value;
  for (const part of [...path, '']) {
    if (typeof at !== 'object' || at === null) break;
    if ('client_id' in at && typeof at.client_id === 'string') {
      return `${message} (${at.client_id.slice(0, MAX_NAME)})`;
    }
    at = Object.getOwnPropertyDescriptor(at, part)?.value;
  }
  return message;
}

/** Where the key or entry at the path begins, or the nearest one around it. */
function offsetOf(document: Document, path: readonly PropertyKey[]): number | undefined {
  let node: unknown = document.contents;
  let offset = rangeOf(node);
  for (const part of path) {
    const within: unknown = isAlias(node) ? node.resolve(document) : node;
    if (isMap(within)) {
      const pair = within.items.find(({ key }) => (isScalar(key) ? String(key.value) : key) === part);
      if (pair === undefined) return offset;
      offset = rangeOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(within) && typeof part === 'number' && within.items[part] !== undefined) {
      node = within.items[part];
      offset = rangeOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function rangeOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
