import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { invalidConfig } from '../errors.ts';

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
  const problems = result.error.issues.map(({ path, message }) => ({ path: placeOf(path), message }));
  throw invalidConfig(source, problems);
}

/** `clients[0].jwks`, as people write it. */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
