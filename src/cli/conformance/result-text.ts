import type { Result } from '../../certificate-conformance/rules.ts';
import { mark, shown } from '../certificate/shown-text.ts';

/** The longest id of a rule. */
const ID_COLUMNS = 34;

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly notTried: number;
}

export function countsOf(results: readonly Result[]): Counts {
  const count = (outcome: Result['outcome']) => results.filter((one) => one.outcome === outcome).length;
  return { passed: count('passed'), failed: count('failed'), notTried: count('not tried') };
}

/** The lines of one rule. Not `isWhole`: nothing for a rule that has passed in every way. */
export function ruleLines(
  results: readonly Result[],
  { isWhole, columns }: { readonly isWhole: boolean; readonly columns: number },
): readonly string[] {
  const [first] = results;
  if (first === undefined) return [];
  if (!isWhole && results.every(({ outcome }) => outcome === 'passed')) return [];
  const { id, title, clause } = first.rule;
  return [
    `${signOf(results)} ${mark.strong(id.padEnd(ID_COLUMNS))} ${mark.faint(clause)}`,
    `    ${title}`,
    ...groupsOf(results).map((group) => answerLine(group, columns)),
  ];
}

interface Group {
  readonly outcome: Result['outcome'];
  readonly answer: string;
  readonly ways: readonly string[];
}

/** Ways with the same answer share a line. */
function groupsOf(results: readonly Result[]): readonly Group[] {
  const groups = Map.groupBy(results, ({ outcome, answer }) => `${outcome} ${answer}`);
  return [...groups.values()].flatMap((members) => {
    const [first] = members;
    if (first === undefined) return [];
    return [{ outcome: first.outcome, answer: first.answer, ways: members.map(({ way }) => way) }];
  });
}

function answerLine({ outcome, answer, ways }: Group, columns: number): string {
  const where = ways.length > 2 ? `${ways.length} ways` : ways.join(', ');
  const text = `${outcome}, ${where}: ${shown(answer)}`;
  if (outcome === 'failed') return `    ${mark.bad(text)}`;
  return `    ${outcome === 'passed' ? mark.faint(cut(text, columns - 4)) : text}`;
}

function signOf(results: readonly Result[]): string {
  if (results.some(({ outcome }) => outcome === 'failed')) return mark.refused();
  return results.some(({ outcome }) => outcome === 'passed') ? mark.passed() : mark.faint('-');
}

function cut(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(1, columns - 1))}…`;
}

export function summaryLine(results: readonly Result[], target: string): string {
  const { passed, failed, notTried } = countsOf(results);
  const verdict = failed === 0 && passed > 0 ? mark.good('PASSED') : mark.bad('FAILED');
  return `\n${verdict}  ${shown(target)}: ${passed} passed, ${failed} failed, ${notTried} not tried`;
}

/** The results for programs. */
export function resultJson(results: readonly Result[], run: { readonly target: string; readonly at: Date }) {
  return {
    plan: 'tpp-certificates',
    target: run.target,
    at: run.at,
    summary: countsOf(results),
    results: results.map(({ rule, way, outcome, answer }) => ({
      rule: rule.id,
      title: rule.title,
      clause: rule.clause,
      level: rule.level,
      expects: rule.expects,
      way,
      outcome,
      answer,
    })),
  };
}
