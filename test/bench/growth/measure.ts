import { loadavg } from 'node:os';
import { type Contender, cpuSecondsOf, type Generator, median } from '../tokens/contenders.ts';
import type { Burst } from '../tokens/generator.ts';
import { Loops, megabytesOf } from './server-figures.ts';

/** Work beside a burst. */
export interface SideWork {
  end(): Promise<void>;
}

/** A server of one size. */
export interface Case {
  readonly at: number;
  /** What differs from the other cases of this size. */
  readonly note?: string;
  readonly server: Contender;
  /** Default: opaque tokens or JWTs by client credentials, 16 connections. */
  readonly burst?: Partial<Burst>;
  readonly seconds?: number;
  readonly during?: () => SideWork;
  /** How often the tokens of a warm-up. */
  readonly warmTimes?: number;
  readonly onWarm?: () => void;
  readonly close?: () => void;
}

/** A row of the table, the medians of its bursts. Delays in milliseconds. */
export interface Row {
  readonly at: number;
  readonly note: string | undefined;
  readonly tokensPerSecond: number;
  /** CPU of the server for each token. */
  readonly microseconds: number;
  readonly p99: number;
  readonly loopP99: number;
  readonly loopMax: number;
  /** Resident, of all processes of the server. */
  readonly megabytes: number;
  readonly startSeconds: number;
  readonly startCpuSeconds: number;
  readonly load: number;
}

const WARM_TOKENS = 8000;
const ROUNDS = 3;
const SECONDS = 3;
const WARM_CONNECTIONS = 16;

/** All cases in turns, so that what else the machine does falls on each of them. */
export async function measureInTurns(
  cases: readonly Case[],
  generator: Generator,
  folder: string,
): Promise<readonly Row[]> {
  for (const one of cases) await warm(one, generator);
  const open = cases.map((one) => ({ ...one, loops: new Loops(one.server, folder) }));
  const bursts = open.map((): Measured[] => []);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, one] of open.entries()) bursts[at]?.push(await measured(one, generator));
  }
  return cases.map(({ at, note, server }, index) => {
    const of = (name: keyof Measured) => median((bursts[index] ?? []).map((one) => one[name]));
    return {
      ...{ at, note, tokensPerSecond: of('tokensPerSecond'), microseconds: of('microseconds') },
      ...{ p99: of('p99'), loopP99: of('loopP99'), loopMax: of('loopMax'), megabytes: of('megabytes') },
      ...{ startSeconds: server.start?.seconds ?? 0, startCpuSeconds: server.start?.cpuSeconds ?? 0 },
      load: of('load'),
    };
  });
}

async function warm({ server, burst, warmTimes = 1, onWarm }: Case, generator: Generator): Promise<void> {
  const connections = WARM_CONNECTIONS * warmTimes;
  for (let count = 0; count < WARM_TOKENS * warmTimes; ) {
    count += (await generator.burst(server, 1, { ...burst, connections })).count;
  }
  onWarm?.();
  // New limits do not count, and neither do new connections.
  await generator.burst(server, 1, burst);
}

type Measured = Omit<Row, 'at' | 'note' | 'startSeconds' | 'startCpuSeconds'>;

async function measured(
  { server, burst, seconds = SECONDS, during, loops }: Case & { readonly loops: Loops },
  generator: Generator,
): Promise<Measured> {
  let before = 0;
  let reset: Promise<unknown> | undefined;
  const work = during?.();
  const tally = await generator.burst(server, seconds, burst, () => {
    before = cpuSecondsOf(server);
    reset = loops.delay();
  });
  const used = cpuSecondsOf(server) - before;
  await reset;
  const { p99, max } = await loops.delay();
  await work?.end();
  if (tally.errors > 0) throw new Error(`${server.name}: ${tally.errors} errors: ${tally.firstError}`);
  return {
    tokensPerSecond: tally.count / tally.seconds,
    microseconds: (used / tally.count) * 1e6,
    ...{ p99: tally.p99, loopP99: p99, loopMax: max },
    megabytes: megabytesOf(server.child.pid ?? 0),
    load: loadavg()[0] ?? 0,
  };
}
