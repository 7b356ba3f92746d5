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
  /** In place of the operations and seconds of the comparison, for a flow of many requests. */
  readonly warm?: Warming;
  /** Makes what about so many requests need, outside the time that is measured. */
  prepare(to: Contender, count: number): Promise<(seconds: number) => Promise<Sent>>;
}

/** The medians of a contender's rounds. */
interface Figures {
  readonly perSecond: number;
  readonly p99: number;
  /** Microseconds of each request. */
  readonly cpu: number;
  /** The same of the cheapest round: other processes only add to a round's figure. */
  readonly leastCpu: number;
}
export interface Comparison {
  readonly name: string;
  /** Operations of both before the first round, and the seconds that they took. */
  readonly warmed: { readonly reference: number; readonly own: number; readonly seconds: number };
  readonly reference: Figures;
  readonly own: Figures;
  /** Medians of the ratios of each round; of the least CPU, the ratio of both. */
  readonly ratios: Figures;
}

/** A contender is warm after so many operations, when its CPU for each no longer falls, and at the latest after so long. */
interface Warming {
  /** Default: no number is enough. */
  readonly warmOperations?: number;
  readonly warmSeconds: number;
}
export interface Rounds extends Warming {
  readonly rounds: number;
  readonly seconds: number;
}

/** Requests beyond those that the last burst needed. */
const SPARE = 1.5;
const FIRST_COUNT = 600;
/** Of the least CPU so far: a burst below has become cheaper, and the next one may again. */
const FALLING = 0.97;
/** Errors of a burst of the warm-up: on a busy machine, the first requests can be late. */
const FORGIVEN = 5;

/** Both contenders in turns, each round beginning with the other one. @throws when an answer is not the expected one */
export async function compare(flow: Flow, { rounds, seconds, ...warming }: Rounds): Promise<Comparison> {
  const needed = new Map<Contender, number>();
  const burst = async (to: Contender, time: number, forgiven = 0): Promise<Round> => {
    const count = Math.ceil((needed.get(to) ?? FIRST_COUNT / time) * time * SPARE);
    const send = await flow.prepare(to, count);
    const before = cpuSecondsOf(to);
    const tally = await send(time);
    const cpu = cpuSecondsOf(to) - before;
    if (tally.errors > forgiven || tally.count === 0)
      throw new Error(`${flow.name}, ${to.name}: ${tally.errors} errors: ${tally.firstError}`);
    const perSecond = tally.count / tally.seconds;
    needed.set(to, perSecond);
    return { count: tally.count, perSecond, p99: tally.p99, cpu: (cpu / tally.count) * 1e6 };
  };
  const cold = (to: Contender) => burst(to, 1, FORGIVEN);
  const warmed = await warmUp(flow, cold, flow.warm ?? warming);
  const results: { readonly reference: Round; readonly own: Round }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const isOwnFirst = round % 2 === 1;
    const first = await burst(isOwnFirst ? flow.own : flow.reference, seconds);
    const second = await burst(isOwnFirst ? flow.reference : flow.own, seconds);
    results.push(isOwnFirst ? { reference: second, own: first } : { reference: first, own: second });
  }
  const reference = figuresOf(results.map((one) => one.reference));
  const own = figuresOf(results.map((one) => one.own));
  const ratio = (name: 'perSecond' | 'p99' | 'cpu') =>
    median(results.map((one) => one.own[name] / one.reference[name]));
  const ratios: Figures = {
    ...{ perSecond: ratio('perSecond'), p99: ratio('p99'), cpu: ratio('cpu') },
    leastCpu: own.leastCpu / reference.leastCpu,
  };
  return { name: flow.name, warmed, reference, own, ratios };
}

type Round = Omit<Figures, 'leastCpu'> & { readonly count: number };

/** By bursts of a second: rarer paths of a server are compiled only after thousands of operations. */
async function warmUp(
  { reference, own }: Flow,
  burst: (to: Contender) => Promise<Round>,
  { warmOperations = Number.POSITIVE_INFINITY, warmSeconds }: Warming,
): Promise<Comparison['warmed']> {
  const startedAt = performance.now();
  const warm = async (to: Contender): Promise<number> => {
    let count = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let time = 0; time < warmSeconds; time += 1) {
      const round = await burst(to);
      count += round.count;
      if (count >= warmOperations && round.cpu >= least * FALLING) break;
      least = Math.min(least, round.cpu);
    }
    return count;
  };
  const operations = { reference: await warm(reference), own: await warm(own) };
  return { ...operations, seconds: (performance.now() - startedAt) / 1000 };
}

function figuresOf(rounds: readonly Round[]): Figures {
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    p99: median(rounds.map(({ p99 }) => p99)),
    cpu: median(rounds.map(({ cpu }) => cpu)),
    leastCpu: Math.min(...rounds.map(({ cpu }) => cpu)),
  };
}

/** A table in Markdown. */
export function tableOf(comparisons: readonly Comparison[]): string {
  const whole = (value: number) => Math.round(value).toLocaleString('en');
  const cells = ({ perSecond, p99, cpu, leastCpu }: Figures) => [
    ...[whole(perSecond), p99.toFixed(1)],
    `${whole(cpu)} (${whole(leastCpu)})`,
  ];
  const heads = [
    'flow',
    ...['reference a second', 'p99 ms', 'CPU µs (least)'],
    ...['ours a second', 'p99 ms', 'CPU µs (least)'],
    ...['ratio a second', 'ratio p99', 'ratio CPU', 'of the least'],
  ];
  const lines = comparisons.map(({ name, reference, own, ratios }) => [
    name,
    ...cells(reference),
    ...cells(own),
    ...[ratios.perSecond, ratios.p99, ratios.cpu, ratios.leastCpu].map((ratio) => ratio.toFixed(2)),
  ]);
  return [heads, heads.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`).join('\n');
}
