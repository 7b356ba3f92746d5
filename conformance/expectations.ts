import { matchesGlob } from 'node:path';
import { z } from 'zod';
import { COMBINATIONS } from './combinations.ts';
import type { ModuleEnding } from './module-run.ts';

const expectationSchema = z.strictObject({
  /** Pattern of the combinations' names. */
  combinations: z.string().min(1),
  /** Pattern of the modules' names. */
  modules: z.string().min(1),
  result: z.enum(['WARNING', 'REVIEW', 'SKIPPED', 'FAILED']),
  /** The conditions that warn or fail: these, and no others. */
  conditions: z.array(z.string()).default([]),
  because: z.string().min(20),
});

/** An ending other than PASSED that is right, and why. */
export type Expectation = z.infer<typeof expectationSchema>;

/** @throws ZodError for another form */
export function parseExpectations(text: string): readonly Expectation[] {
  return z.array(expectationSchema).parse(JSON.parse(text));
}

/** The endings of the modules of one combination. */
export interface CombinationEndings {
  readonly combination: string;
  readonly endings: readonly ModuleEnding[];
  /** Whether every module of the plan was run. */
  readonly isWhole: boolean;
}

/** Whether `expected` has this ending; otherwise how it differs. */
export function findSurprise(
  combination: string,
  ending: ModuleEnding,
  expected: readonly Expectation[],
): string | undefined {
  const meant = expected.filter((one) => isFor(one, combination, ending.module));
  if (meant.length === 0) return ending.result === 'PASSED' ? undefined : 'is not expected';
  const results = [...new Set(meant.map(({ result }) => result))].join(' or ');
  if (!meant.some(({ result }) => result === ending.result)) {
    return ending.result === 'PASSED' ? `is better than expected (${results})` : `is expected as ${results}`;
  }
  const conditions = [...new Set(ending.remarks.map(({ condition }) => condition))];
  const allowed = meant.flatMap((one) => one.conditions);
  const extra = conditions.filter((condition) => !allowed.includes(condition));
  if (extra.length > 0) return `has conditions that are not expected: ${extra.join(', ')}`;
  const missing = allowed.filter((condition) => !conditions.includes(condition));
  return missing.length > 0 ? `has passed conditions that are expected: ${missing.join(', ')}` : undefined;
}

/** The expectations that no module has met, though every combination that they speak of was run whole. */
export function unusedExpectations(
  expected: readonly Expectation[],
  all: readonly CombinationEndings[],
): readonly Expectation[] {
  const whole = new Set(all.filter(({ isWhole }) => isWhole).map(({ combination }) => combination));
  return expected.filter((one) => {
    const meant = COMBINATIONS.filter(({ name }) => matchesGlob(name, one.combinations));
    if (!meant.every(({ name }) => whole.has(name))) return false;
    return !all.some(({ combination, endings }) =>
      endings.some(({ module }) => isFor(one, combination, module)),
    );
  });
}

function isFor({ combinations, modules }: Expectation, combination: string, module: string): boolean {
  return matchesGlob(combination, combinations) && matchesGlob(module, modules);
}
