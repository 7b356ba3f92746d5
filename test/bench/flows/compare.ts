import { type Contender, cpuSecondsOf, median } from '../tokens/contenders.ts';
import type { Tally } from '../tokens/generator.ts';

type Sent = Pick<Tally, 'count' | 'errors' | 'seconds' | 'p99'> & {
  readonly firstError?: string | undefined;
};

/** Something that clients ask for, of ours and of what it is held against. */
export interface Flow {
  readonly name: string;
  readonly reference: Contender;
  readonly own: Contender;
  /** Makes what about so many requests need, outside the time that is measured. */
  prepare(to: Contender, count: number): Promise<(seconds: number) => Promise<Sent>>;
}

/** The medians of a contender's rounds. */
interface Figures {
  readonly perSecond: number;
  readonly p99: number;
  /** Microseconds of each request. */
  readonly cpu: number;
}
export interface Comparison {
  readonly name: string;
  readonly reference: Figures;
  readonly own: Figures;
  /** Medians of the ratios of each round. */
  readonly ratios: Figures;
}

export interface Rounds {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmSeconds: number;
}

/** Requests beyond those that the last burst needed. */
const SPARE = 1.5;
const FIRST_COUNT = 600;

/** Both contenders in turns, each round beginning with the other one. @throws when an answer is not the expected one */
export async function compare(flow: Flow, { rounds, seconds, warmSeconds }: Rounds): Promise<Comparison> {
  const contenders = [flow.reference, flow.own] as const;
  const needed = new Map<Contender, number>();
  const burst = async (to: Contender, time: number): Promise<Figures> => {
    const count = Math.ceil((needed.get(to) ?? FIRST_COUNT / time) * time * SPARE);
    const send = await flow.prepare(to, count);
    const before = cpuSecondsOf(to);
    const tally = await send(time);
    const cpu = cpuSecondsOf(to) - before;
    if (tally.errors > 0 || tally.count === 0)
      throw new Error(`${flow.name}, ${to.name}: ${tally.errors} errors: ${tally.firstError}`);
    const perSecond = tally.count / tally.seconds;
    needed.set(to, perSecond);
    return { perSecond, p99: tally.p99, cpu: (cpu / tally.count) * 1e6 };
  };
  for (const to of contenders) for (let time = 0; time < warmSeconds; time += 1) await burst(to, 1);
  const results: { readonly reference: Figures; readonly own: Figures }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const isOwnFirst = round % 2 === 1;
    const first = await burst(isOwnFirst ? flow.own : flow.reference, seconds);
    const second = await burst(isOwnFirst ? flow.reference : flow.own, seconds);
    results.push(isOwnFirst ? { reference: second, own: first } : { reference: first, own: second });
  }
  const medians = (of: (one: (typeof results)[number], name: keyof Figures) => number): Figures => ({
    perSecond: median(results.map((one) => of(one, 'perSecond'))),
    p99: median(results.map((one) => of(one, 'p99'))),
    cpu: median(results.map((one) => of(one, 'cpu'))),
  });
  return {
    name: flow.name,
    reference: medians((one, name) => one.reference[name]),
    own: medians((one, name) => one.own[name]),
    ratios: medians((one, name) => one.own[name] / one.reference[name]),
  };
}

/** A table in Markdown. */
export function tableOf(comparisons: readonly Comparison[]): string {
  const cells = ({ perSecond, p99, cpu }: Figures) => [
    Math.round(perSecond).toLocaleString('en'),
    p99.toFixed(1),
    Math.round(cpu).toLocaleString('en'),
  ];
  const heads = [
    'flow',
    ...['reference a second', 'p99 ms', 'CPU µs'],
    ...['ours a second', 'p99 ms', 'CPU µs'],
    ...['ratio a second', 'ratio p99', 'ratio CPU'],
  ];
  const lines = comparisons.map(({ name, reference, own, ratios }) => [
    name,
    ...cells(reference),
    ...cells(own),
    ...[ratios.perSecond, ratios.p99, ratios.cpu].map((ratio) => ratio.toFixed(2)),
  ]);
  return [heads, heads.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
