import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { invalidConfig } from '../errors.ts';

/** Longest name that a problem shows. */
const MAX_NAME = 128;

/**
 * Reads a text as YAML (or JSON, which is YAML).
 *
 * @throws ERR_CONFIG_INVALID with the line of each problem
 */
export function parseYaml(text: string, source: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, strict: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      path: `line ${lines.linePos(error.pos[0]).line}`,
      message: error.message.split('\n')[0] ?? '',
    }));
    throw invalidConfig(source, problems);
  }
  return document.toJS({ maxAliasCount: 20 });
}

/**
 * The value as the schema reads it.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export function parseValue<T extends z.ZodType>(schema: T, value: unknown, source: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => ({
    path: placeOf(path),
    message: withClientName(message, value, path),
  }));
  throw invalidConfig(source, problems);
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

/** `clients[0].jwks`, as people write it. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
