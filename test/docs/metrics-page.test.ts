import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { eventCounters } from '../../src/server/metrics/event-counters.ts';
import { type MetricDefinition, METRICS } from '../../src/server/metrics/metric-definitions.ts';
import { fileOf, readPage } from './pages.ts';

const code = (text: string) => `\`${text}\``;

function otherRows(): string[] {
  return Object.entries<MetricDefinition>(METRICS).map(
    ([name, { kind, labels, processes, help }]) =>
      `| ${code(name)} | ${kind} | ${labels.map(code).join(', ')} | ${processes} | ${help} |`,
  );
}

function counterRows(): string[] {
  return eventCounters().map(
    ({ name, labels, events, hasTpp }) =>
      `| ${code(name)} | ${labels.map(code).join(', ')} | ${events.map(code).join(', ')} | ${hasTpp ? 'yes' : ''} |`,
  );
}

it('docs/metrics.md has the tables of the code', () => {
  const { text } = readPage('docs/metrics.md');
  const table = (head: string, rows: readonly string[]) => (page: string) =>
    page.replace(
      new RegExp(`^\\| ${head} \\|(.*)\\n(.*)\\n(?:\\|.*\\n)*`, 'm'),
      (_whole, first: string, second: string) => `${[`| ${head} |${first}`, second, ...rows].join('\n')}\n`,
    );
  const made = table('counter', counterRows())(table('metric', otherRows())(text));
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(fileOf('docs/metrics.md'), made);
  else expect(text, 'run UPDATE_DOCS=1 npm test -- test/docs').toBe(made);
});
