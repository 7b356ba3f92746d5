import { COMBINATIONS } from './combinations.ts';
import type { CombinationEndings, Expectation } from './expectations.ts';

/** Where and when a run took place. */
export interface Measurement {
  readonly commit: string;
  readonly date: string;
  readonly suiteVersion: string;
}

const BEGIN = '<!-- results -->';
const END = '<!-- /results -->';
const RESULTS = ['PASSED', 'REVIEW', 'SKIPPED', 'WARNING', 'FAILED'] as const;
const COLUMNS = ['combination', 'modules', ...RESULTS.map((one) => one.toLowerCase()), 'other', 'seconds'];
const HEAD = [...COLUMNS, 'commit', 'date', 'suite'];

/**
 * The page with the rows of the combinations that were run whole. Rows of other combinations stay, with the commit at
 * which they were measured.
 *
 * @throws TypeError when the page has no place for the results
 */
export function withResults(
  page: string,
  all: readonly CombinationEndings[],
  { expected, ...measurement }: Measurement & { readonly expected: readonly Expectation[] },
): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new TypeError(`the page has no ${BEGIN} … ${END}`);
  const rows = rowsOf(page.slice(begin + BEGIN.length, end));
  for (const one of all.filter(({ isWhole }) => isWhole)) rows.set(one.combination, rowOf(one, measurement));
  const ordered = COMBINATIONS.flatMap(({ name }) => rows.get(name) ?? []);
  const table = [lineOf(HEAD), '|---'.repeat(HEAD.length).concat('|'), ...ordered].join('\n');
  const body = `${BEGIN}\n${table}\n\n${expectationsTable(expected)}\n\n`;
  return page.slice(0, begin) + body + page.slice(end);
}

/** The rows that the page has, by combination. */
function rowsOf(text: string): Map<string, string> {
  const names = new Set(COMBINATIONS.map(({ name }) => name));
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, name = ''] = /^\| `([\w-]+)` \|/.exec(line) ?? [];
      return names.has(name) && line.split('|').length === HEAD.length + 2 ? [[name, line] as const] : [];
    }),
  );
}

function rowOf({ combination, endings }: CombinationEndings, { commit, date, suiteVersion }: Measurement) {
  const counts = RESULTS.map((result) => endings.filter((one) => one.result === result).length);
  const other = endings.length - counts.reduce((sum, count) => sum + count, 0);
  const seconds = Math.round(endings.reduce((sum, one) => sum + one.seconds, 0));
  return lineOf([
    `\`${combination}\``,
    ...[endings.length, ...counts, other, seconds].map(String),
    commit,
    date,
    suiteVersion,
  ]);
}

function expectationsTable(expected: readonly Expectation[]): string {
  const rows = expected.map(({ combinations, modules, result, conditions, keys, because }) => {
    const names = conditions.map((condition) => `\`${condition}\``);
    const ending = [result, ...names, ...(keys === undefined ? [] : [`(keys ${keys.join(', ')})`])].join(' ');
    return lineOf([`\`${combinations}\``, `\`${modules}\``, ending, because.replaceAll('|', '\\|')]);
  });
  const head = ['combinations', 'modules', 'expected ending', 'reason'];
  return [lineOf(head), '|---'.repeat(head.length).concat('|'), ...rows].join('\n');
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
