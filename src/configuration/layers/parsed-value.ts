import type { z } from 'zod';
import { invalidConfig, type Problem } from '../../errors.ts';
import { withClientName } from '../yaml-document.ts';
import { nearestOf } from './nearest.ts';
import { inputSchema, namesAt, pathOf, shownPath } from './schema-keys.ts';

export interface ValueToParse {
  readonly value: unknown;
  /** Names the whole, for the refusal. */
  readonly source: string;
  /** Where the value at a path comes from. */
  readonly nearestOrigin?: (path: readonly PropertyKey[]) => string;
  /** Problems that were found while the value was read. */
  readonly earlier?: readonly Problem[];
}

/**
 * The value as the schema reads it, held against the rules that concern several of its parts.
 *
 * @throws ERR_CONFIG_INVALID with every problem and its place
 */
export function parseValue<T extends z.ZodType>(
  schema: T,
  { value, source, nearestOrigin, earlier = [] }: ValueToParse,
  findProblems: (parsed: z.infer<T>) => readonly Problem[] = () => [],
): z.infer<T> {
  const result = schema.safeParse(value);
  const own = result.success
    ? findProblems(result.data)
    : result.error.issues.flatMap((issue) => problemsOf(issue, { schema, value }));
  const withOrigin = own.map(({ path, message, place = pathOf(path) }: PlacedProblem): Problem => {
    return { path, message, ...(nearestOrigin === undefined ? {} : { origin: nearestOrigin(place) }) };
  });
  const problems = [...earlier, ...withOrigin];
  if (!result.success || problems.length > 0) throw invalidConfig(source, problems);
  return result.data;
}

interface PlacedProblem extends Problem {
  /** Of what has the problem, where that is not the value at `path`. */
  readonly place?: readonly PropertyKey[];
}

/** A name that is so far away from another one is no slip. */
const MOST_SLIPS = 3;

function problemsOf(
  issue: z.core.$ZodIssue,
  { schema, value }: { readonly schema: z.ZodType; readonly value: unknown },
): readonly PlacedProblem[] {
  const { path, message } = issue;
  const problem = (text: string) => ({
    path: shownPath(path),
    message: withClientName(text, value, path),
    place: path,
  });
  if (issue.code !== 'unrecognized_keys') return [problem(message)];
  const names = namesAt(inputSchema(schema), path);
  return issue.keys.map((key) => {
    const nearest = nearestOf(key, names, MOST_SLIPS);
    const hint = nearest === undefined ? '' : `. Is ${nearest} meant?`;
    return { ...problem(`Unrecognized key: "${key.slice(0, MAX_NAME)}"${hint}`), place: [...path, key] };
  });
}

/** Longest name that a problem shows. */
const MAX_NAME = 128;
