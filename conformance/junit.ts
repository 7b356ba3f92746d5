import type { CombinationEndings } from './expectations.ts';
import type { ModuleEnding } from './module-run.ts';

/** The endings as JUnit reads them: a suite for each combination, a case for each module. `surpriseOf`: why one fails. */
export function junitOf(
  all: readonly CombinationEndings[],
  surpriseOf: (combination: string, ending: ModuleEnding) => string | undefined,
): string {
  const suites = all.map(({ combination, endings, problem }) => {
    const surprises = endings.map((ending) => surpriseOf(combination, ending));
    const cases = endings.map((ending, at) => caseOf(combination, ending, surprises[at]));
    const plan = problem === undefined ? [] : [planCase(combination, problem)];
    const tests = endings.length + plan.length;
    const failures = surprises.filter((surprise) => surprise !== undefined).length + plan.length;
    const time = endings.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(1);
    const counts = `tests="${tests}" failures="${failures}" time="${time}"`;
    const inner = [...cases, ...plan].join('');
    return `  <testsuite name="${escaped(combination)}" ${counts}>\n${inner}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="conformance">\n${suites.join('')}</testsuites>\n`;
}

function caseOf(combination: string, ending: ModuleEnding, surprise: string | undefined): string {
  const { module, seconds, result } = ending;
  const name = `name="${escaped(module)}" classname="${escaped(combination)}" time="${seconds.toFixed(1)}"`;
  if (surprise !== undefined) {
    const lines = ending.remarks.map(({ condition, message }) => `${condition}: ${message}`);
    const message = `message="${escaped(`${result} ${surprise}`)}"`;
    return `    <testcase ${name}><failure ${message}>${escaped(lines.join('\n'))}</failure></testcase>\n`;
  }
  if (result === 'SKIPPED') return `    <testcase ${name}><skipped/></testcase>\n`;
  return `    <testcase ${name}/>\n`;
}

/** The case of a plan that did not run to its end. */
function planCase(combination: string, problem: string): string {
  const name = `name="plan" classname="${escaped(combination)}" time="0.0"`;
  return `    <testcase ${name}><failure message="${escaped(problem)}"></failure></testcase>\n`;
}

/** Text for XML 1.0: without the characters that it cannot have. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('"', '&quot;');
}
