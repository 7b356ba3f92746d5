import type { z } from 'zod';
import { OpenBankingError, type Problem } from '../../src/errors.ts';

const MAX_PROBLEMS = 20;

/**
 * Reads the copy of a register that is kept in a file: JSON of a schema.
 *
 * @throws ERR_REGISTRY_INVALID
 */
export function parseCopy<Schema extends z.ZodType>(
  text: string,
  source: string,
  schema: Schema,
): z.output<Schema> {
  const invalid = (problems: readonly Problem[]) =>
    new OpenBankingError('ERR_REGISTRY_INVALID', { source, problems });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid([{ path: '', message: 'is not JSON' }]);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.slice(0, MAX_PROBLEMS);
  throw invalid(issues.map(({ path, message }) => ({ path: path.join('.'), message })));
}

/** A copy as text, with one entry a line. */
export function writeCopy(state: unknown, list: string, entries: readonly unknown[]): string {
  const lines = entries.map((one) => JSON.stringify(one));
  return `{"format":1,"state":${JSON.stringify(state)},"${list}":[\n${lines.join(',\n')}\n]}\n`;
}
