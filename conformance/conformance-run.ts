import { mkdir, writeFile } from 'node:fs/promises';
import { join, matchesGlob } from 'node:path';
import type { Combination } from './combinations.ts';
import { type CombinationEndings, type Expectation, findSurprise } from './expectations.ts';
import { type ModuleEnding, runModule } from './module-run.ts';
import type { PlannedModule, Suite } from './suite.ts';

export interface ConformanceRunOptions {
  readonly suite: Suite;
  readonly configurationOf: (combination: Combination) => Promise<unknown>;
  readonly expected: readonly Expectation[];
  /** Patterns of the ends of modules' names; empty = every module. */
  readonly modules: readonly string[];
  readonly stuckSeconds: number;
  readonly pollSeconds: number;
  /** Whether to go on after a module that ended as it should not. */
  readonly keepsGoing: boolean;
  /** Gets the log of every module. */
  readonly folder: string;
  readonly report: (line: string) => void;
  /** Whether modules that ended as they should are reported too. */
  readonly isVerbose: boolean;
  readonly signal: AbortSignal;
}

/** Runs combinations against a suite, a few at a time, and collects how their modules ended. */
export class ConformanceRun {
  readonly #options: ConformanceRunOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;

  constructor(options: ConformanceRunOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
  }

  /** The endings in the order of the combinations, without those that were not begun. */
  async run(combinations: readonly Combination[], atOnce: number): Promise<readonly CombinationEndings[]> {
    const waiting = [...combinations];
    const done: CombinationEndings[] = [];
    const lane = async () => {
      for (let next = waiting.shift(); next !== undefined && !this.#signal.aborted; next = waiting.shift()) {
        done.push(await this.#runCombination(next));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    const order = combinations.map(({ name }) => name);
    return done.toSorted((a, b) => order.indexOf(a.combination) - order.indexOf(b.combination));
  }

  async #runCombination(combination: Combination): Promise<CombinationEndings> {
    const { report } = this.#options;
    const { name } = combination;
    const endings: ModuleEnding[] = [];
    const started = performance.now();
    try {
      const planned = await this.#runPlan(combination, endings);
      return { combination: name, endings, isWhole: endings.length === planned };
    } catch (error) {
      if (!this.#options.keepsGoing) this.#stop.abort(error);
      const problem = error instanceof Error ? error.message : String(error);
      return { combination: name, endings, isWhole: false, problem };
    } finally {
      report(`${name}: ${countsOf(endings)} in ${Math.round((performance.now() - started) / 1000)} s`);
    }
  }

  /** Runs the modules of the plan that are chosen, and returns how many the plan has. */
  async #runPlan(combination: Combination, endings: ModuleEnding[]): Promise<number> {
    const { suite, configurationOf, report, stuckSeconds, pollSeconds } = this.#options;
    const { name } = combination;
    const configuration = await configurationOf(combination);
    await this.#write(`${name}.configuration.json`, configuration);
    const plan = await suite.createPlan(combination.plan, combination.variant, configuration);
    const modules = plan.modules.filter((module) => this.#isChosen(module));
    report(`${name}: ${modules.length} modules`);
    for (const module of modules) {
      this.#signal.throwIfAborted();
      const options = { stuckSeconds, pollSeconds, signal: this.#signal };
      const ending = await runModule(suite, plan.id, module, options);
      endings.push(ending);
      await this.#judge(name, ending);
    }
    return plan.modules.length;
  }

  #isChosen({ testModule }: PlannedModule): boolean {
    const { modules } = this.#options;
    return modules.length === 0 || modules.some((pattern) => isMeant(testModule, pattern));
  }

  async #judge(combination: string, ending: ModuleEnding): Promise<void> {
    const { expected, keepsGoing, report, isVerbose } = this.#options;
    const { module, result, seconds } = ending;
    await this.#write(join(combination, `${module}.json`), ending);
    const surprise = findSurprise(combination, ending, expected);
    if (surprise !== undefined || isVerbose) {
      const judgement = surprise === undefined ? '' : `: ${surprise}`;
      report(
        `${combination}: ${result.padEnd(8)} ${seconds.toFixed(1).padStart(5)} s  ${module}${judgement}`,
      );
    }
    if (surprise === undefined) return;
    for (const remark of ending.remarks) {
      const { condition, message, requirements } = remark;
      report(`    ${remark.result} ${condition}: ${message.slice(0, 300)} ${requirements.join(' ')}`);
    }
    if (!keepsGoing) this.#stop.abort(new Error('another module ended as it should not'));
  }

  async #write(name: string, content: unknown): Promise<void> {
    const file = join(this.#options.folder, name);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, `${JSON.stringify(content, undefined, 1)}\n`, { mode: 0o600 });
  }
}

function countsOf(endings: readonly ModuleEnding[]): string {
  const counts = Map.groupBy(endings, ({ result }) => result);
  return [...counts].map(([result, some]) => `${some.length} ${result}`).join(', ') || 'nothing';
}

/** Patterns of modules by which no combination has run any: a mistake, and no success. */
export function uselessChoices(
  all: readonly CombinationEndings[],
  modules: readonly string[],
): readonly string[] {
  const run = all.flatMap(({ endings }) => endings.map(({ module }) => module));
  return modules
    .filter((pattern) => !run.some((module) => isMeant(module, pattern)))
    .map((pattern) => `no module that was run ends with ${pattern}`);
}

function isMeant(module: string, pattern: string): boolean {
  return matchesGlob(module, `*${pattern}`);
}
