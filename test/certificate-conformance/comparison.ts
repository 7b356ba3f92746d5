/** One result in the JSON of the command. */
export interface JsonResult {
  readonly rule: string;
  readonly clause: string;
  readonly way: string;
  readonly outcome: string;
}

/** A server and the JSON that the command has printed about it. */
export interface Column {
  readonly title: string;
  readonly results: readonly JsonResult[];
}

/** A table of rules and servers. A cell says in how many ways the rule has passed, and names the ways where it failed. */
export function comparisonTable(columns: readonly Column[]): string {
  const rules = [...new Map(columns.flatMap(({ results }) => results).map((one) => [one.rule, one.clause]))];
  const heads = ['rule', 'clause', ...columns.map(({ title }) => title)];
  return [
    heads,
    heads.map(() => '---'),
    ...rules.map(([rule, clause]) => [
      `\`${rule}\``,
      clause,
      ...columns.map(({ results }) => cellOf(results.filter((one) => one.rule === rule))),
    ]),
    ['**rules that failed**', '', ...columns.map(({ results }) => String(failedRules(results).length))],
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
    .replaceAll('| --- |', '|---|')
    .replaceAll(' --- |', '---|');
}

/** The rules that have failed in one way at least. */
export function failedRules(results: readonly JsonResult[]): readonly string[] {
  return [...new Set(results.filter(({ outcome }) => outcome === 'failed').map(({ rule }) => rule))];
}

function cellOf(results: readonly JsonResult[]): string {
  const of = (outcome: string) => results.filter((one) => one.outcome === outcome);
  const [passed, failed] = [of('passed'), of('failed')];
  if (failed.length > 0) {
    const ways = failed.map(({ way }) => way).join(', ');
    return passed.length === 0 ? `**failed**: ${ways}` : `${passed.length} passed; **failed**: ${ways}`;
  }
  if (passed.length > 0) return `${passed.length} passed`;
  return 'not tried';
}
