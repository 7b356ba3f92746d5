import { matchesGlob } from 'node:path';
import { z } from 'zod';
import { parseValue } from '../src/configuration/layers/parsed-value.ts';
import { parseYaml } from '../src/configuration/yaml-document.ts';
import { KEY_ALGORITHMS, type KeyAlgorithm } from './client-keys.ts';
import { COMBINATIONS } from './combinations.ts';
import type { ModuleEnding } from './module-run.ts';

const expectationSchema = z
  .strictObject({
    /** Pattern of the combinations' names. */
    combinations: z.string().min(1),
    /** Pattern of the modules' names. */
    modules: z.string().min(1),
    /**
     * INTERRUPTED: a module that the suite itself cannot run. FAILED has a good reason only where a condition demands a party
     * that no test of ours can have, and the module goes on after it.
     */
    result: z.enum(['WARNING', 'REVIEW', 'SKIPPED', 'INTERRUPTED', 'FAILED']),
    /** The conditions that warn or fail, or at which the module breaks off: these, and no others. */
    conditions: z.array(z.string()).readonly().default([]),
    /** Signing keys with which the module ends so; absent = with any. */
    keys: z.array(z.enum(KEY_ALGORITHMS)).readonly().optional(),
    because: z.string().min(20),
  })
  .refine(({ result, conditions }) => result !== 'FAILED' || conditions.length > 0, {
    path: ['conditions'],
    error: 'must be named where a module fails',
  });

/** An ending other than PASSED that is right, and why. */
export type Expectation = z.infer<typeof expectationSchema>;

/** The expectations of a run with such keys. */
export function expectationsFor(all: readonly Expectation[], key: KeyAlgorithm): readonly Expectation[] {
  return all.filter(({ keys }) => keys === undefined || keys.includes(key));
}

/** @throws ERR_CONFIG_INVALID for another form, with the place of each problem */
export function parseExpectations(text: string, source: string): readonly Expectation[] {
  return parseValue(z.array(expectationSchema), { ...parseYaml(text, source), source });
}

/** The endings of the modules of one combination. */
export interface CombinationEndings {
  readonly combination: string;
  readonly endings: readonly ModuleEnding[];
  /** Whether every module of the plan was run. */
  readonly isWhole: boolean;
  /** Why the plan could not be run to its end. */
  readonly problem?: string;
}

/** Everything that is not as expected, one line each. */
export function surprisesOf(
  all: readonly CombinationEndings[],
  expected: readonly Expectation[],
): readonly string[] {
  const surprises = all.flatMap(({ combination, endings, problem }) => [
    ...endings.flatMap((ending) => {
      const surprise = findSurprise(combination, ending, expected);
      return surprise === undefined ? [] : [`${combination} ${ending.module}: ${ending.result} ${surprise}`];
    }),
    ...(problem === undefined ? [] : [`${combination}: ${problem}`]),
  ]);
  const unused = unusedExpectations(expected, all).map(
    ({ combinations, modules }) => `an expectation is of no use: ${combinations} ${modules}`,
  );
  return [...surprises, ...unused];
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
function unusedExpectations(
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
