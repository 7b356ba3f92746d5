import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { openBank } from '../../durability/bank.ts';
import { startGenerator } from '../tokens/contenders.ts';
import { type Case, measureInTurns, type Row } from './measure.ts';
import { type Part, PARTS } from './parts.ts';
import { plotOf } from './plot.ts';
import { linesOf, replaceLines, tableOf } from './section.ts';
import { probeLoops } from './server-figures.ts';

/*
 * Tokens over mTLS with every check on, as one thing grows. Words after the name: a part or `all`, and sizes with commas. A part
 * with the sizes of the docs writes its plot and its rows of docs/measured.md; with others it only prints.
 */
const [, , , wanted = '', sizes] = process.argv;
const DOCS = new URL('../../../docs/', import.meta.url);

async function measurePart(part: Part, at: readonly number[]): Promise<readonly Row[]> {
  const bank = await openBank();
  const generator = startGenerator(bank);
  const cases: Case[] = [];
  probeLoops(bank.folder);
  try {
    for await (const one of part.open(bank, at)) cases.push(one);
    return await measureInTurns(cases, generator, bank.folder);
  } finally {
    delete process.env.NODE_OPTIONS;
    for (const { server, close } of cases) {
      server.child.kill('SIGKILL');
      close?.();
    }
    generator.close();
    await bank.close();
  }
}

function write(name: string, { axis }: Part, rows: readonly Row[]): void {
  const names = [...new Set(rows.map(({ note }) => note ?? ''))];
  const linesFor = (value: (row: Row) => number) =>
    names.map((one) => rows.filter(({ note = '' }) => note === one).map(value));
  const panel = (title: string, value: (row: Row) => number) => ({ title, lines: linesFor(value) });
  const plot = plotOf({
    ...{
      title: `Growth: ${axis}`,
      axis: axis.split(',')[0] ?? axis,
      names: names.map((one) => one || 'steady'),
    },
    at: [...new Set(rows.map((row) => row.at))],
    panels: [
      panel('tokens a second', (row) => row.tokensPerSecond),
      panel('CPU of a token, µs', (row) => row.microseconds),
      panel('p99 of an answer, ms', (row) => row.p99),
      panel('p99 of the loop delay, ms', (row) => row.loopP99),
      panel('resident memory, MB', (row) => row.megabytes),
      panel('CPU of the start, s', (row) => row.startCpuSeconds),
    ],
  });
  writeFileSync(new URL(`images/growth-${name}.svg`, DOCS), plot);
  const axes = Object.values(PARTS).map((part) => part.axis);
  replaceLines(fileURLToPath(new URL('measured.md', DOCS)), { axis, lines: linesOf(axis, rows), axes });
}

const chosen = Object.entries(PARTS).filter(([name]) => name === wanted || wanted === 'all');
if (chosen.length === 0) {
  console.log(`npm run bench -- growth PART, where PART is one of: all, ${Object.keys(PARTS).join(', ')}`);
}
for (const [name, part] of chosen) {
  const startedAt = performance.now();
  const rows = await measurePart(part, sizes === undefined ? part.sizes : sizes.split(',').map(Number));
  if (sizes === undefined) write(name, part, rows);
  console.log(tableOf(linesOf(part.axis, rows)));
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`${name}: ${seconds} s, load average ${loadavg()[0]?.toFixed(1)}\n`);
}
process.exit();
