import { readFileSync, writeFileSync } from 'node:fs';
import type { Row } from './measure.ts';

const HEAD = [
  'what grows',
  'tokens/s',
  'CPU of a token',
  'beside the first',
  'p99',
  'loop delay p99, longest',
  'memory',
  'start (its CPU)',
  'load',
];
const [BEGIN, END] = ['<!-- growth -->', '<!-- /growth -->'];

/** The rows of a part, in Markdown. */
export function linesOf(axis: string, rows: readonly Row[]): readonly string[] {
  const [first] = rows;
  return rows.map((row) => {
    const times = row.microseconds / (first?.microseconds ?? Number.NaN);
    const cells = [
      `${axis}: ${row.at.toLocaleString('en')}${row.note === undefined ? '' : `, ${row.note}`}`,
      Math.round(row.tokensPerSecond).toLocaleString('en'),
      `${Math.round(row.microseconds)} µs`,
      times.toFixed(2),
      `${row.p99.toFixed(1)} ms`,
      `${row.loopP99.toFixed(1)}, ${row.loopMax.toFixed(0)} ms`,
      `${Math.round(row.megabytes)} MB`,
      `${row.startSeconds.toFixed(1)} s (${row.startCpuSeconds.toFixed(1)} s)`,
      row.load.toFixed(0),
    ];
    return lineOf(cells);
  });
}

export function tableOf(lines: readonly string[]): string {
  return [lineOf(HEAD), lineOf(HEAD.map(() => '---')), ...lines].join('\n');
}

/** Replaces the rows of a part in the table of a page, between the marks of the table. `axes`: the parts in their order. */
export function replaceLines(
  page: string,
  {
    axis,
    lines,
    axes,
  }: { readonly axis: string; readonly lines: readonly string[]; readonly axes: readonly string[] },
): void {
  const text = readFileSync(page, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  const [table = '', after] = rest.split(END);
  if (after === undefined) throw new Error(`${page} has no ${BEGIN} … ${END}`);
  const known = table.split('\n');
  const linesOfAxis = (one: string) =>
    one === axis ? lines : known.filter((line) => line.startsWith(`| ${one}: `));
  writeFileSync(page, `${before}${BEGIN}\n${tableOf(axes.flatMap(linesOfAxis))}\n${END}${after}`);
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
