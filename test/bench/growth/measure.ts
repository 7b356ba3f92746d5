import { readFileSync } from 'node:fs';
import {
  type Contender,
  childrenOf,
  cpuSecondsOf,
  median,
  type startGenerator,
} from '../tokens/contenders.ts';

/** A row of a table of growth. */
export interface Row {
  readonly at: number;
  readonly tokensPerSecond: number;
  /** CPU of the server for each token. */
  readonly microseconds: number;
  readonly p99: number;
  /** p99 of the lateness of the event loop within the last half minute, in milliseconds; of several processes the worst. */
  readonly loopDelay: number;
  /** Resident, of all processes of the server. */
  readonly megabytes: number;
}

export interface Order {
  readonly at: number;
  readonly connections?: number;
  readonly warmTokens?: number;
}

const WARM_TOKENS = 12_000;
const BURSTS = 3;
const SECONDS = 3;

/** Tokens of a server that runs, by the median of three bursts. */
export async function measure(
  server: Contender,
  generator: ReturnType<typeof startGenerator>,
  { at, connections = 16, warmTokens = WARM_TOKENS }: Order,
): Promise<Row> {
  for (let count = 0; count < warmTokens; ) {
    count += (await generator.burst(server, 1, { connections: Math.min(connections, 32) })).count;
  }
  const bursts = [];
  for (let burst = 0; burst < BURSTS; burst += 1) {
    const before = cpuSecondsOf(server);
    const tally = await generator.burst(server, SECONDS, { connections });
    if (tally.errors > 0) throw new Error(`${tally.errors} requests failed`);
    const used = cpuSecondsOf(server) - before;
    bursts.push({ ...tally, rate: tally.count / tally.seconds, cost: (used / tally.count) * 1e6 });
  }
  return {
    at,
    tokensPerSecond: Math.round(median(bursts.map(({ rate }) => rate))),
    microseconds: Math.round(median(bursts.map(({ cost }) => cost))),
    p99: Number(median(bursts.map(({ p99 }) => p99)).toFixed(1)),
    loopDelay: await loopDelayOf(server),
    megabytes: megabytesOf(server.child.pid ?? 0),
  };
}

async function loopDelayOf({ ports }: Contender): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${ports.health}/metrics`);
  const lines = (await answer.text()).split('\n');
  const line = lines.find((one) => /^tallystick_event_loop_delay_seconds\{.*0\.99/.test(one));
  return Number((Number(line?.split(' ').at(-1)) * 1000).toFixed(1));
}

function megabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const own = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
  return childrenOf(pid).reduce((sum, child) => sum + megabytesOf(child), own);
}
