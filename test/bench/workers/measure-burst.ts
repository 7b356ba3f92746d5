import { cpus } from 'node:os';
import {
  type Contender,
  cpuSecondsOf,
  cpuSecondsOfProcess,
  type startGenerator,
} from '../tokens/contenders.ts';
import type { CpuQuota } from './cpu-quota.ts';

/** A server with the processes in it that give tokens. */
export interface Server {
  readonly contender: Contender;
  readonly workers: readonly number[];
  /** One for each worker; none where the machine lets nobody set them. */
  readonly quotas: readonly CpuQuota[];
}

/** What one burst was, in cores (CPU seconds a second) where nothing else is said. */
export interface Measured {
  readonly errors: number;
  readonly tokensPerSecond: number;
  /** CPU microseconds of the server, its primary included, for each token. */
  readonly cost: number;
  readonly workers: readonly number[];
  readonly generator: number;
  /** 0 without Redis. */
  readonly redis: number;
  /** All that the machine did. */
  readonly machine: number;
}

export interface Load {
  readonly seconds: number;
  /** In all, over both workers where there are two. */
  readonly connections: number;
  /** What each worker may use of a core; `undefined` is no limit. */
  readonly cores: number | undefined;
}

export interface Surroundings {
  readonly generator: ReturnType<typeof startGenerator>;
  /** The process id. */
  readonly redis: number | undefined;
}

/** One burst, and what the processes used meanwhile. */
export async function measureBurst(
  server: Server,
  load: Load,
  { generator, redis }: Surroundings,
): Promise<Measured> {
  for (const quota of server.quotas) quota.limit(load.cores);
  const read = () => ({
    at: performance.now() / 1000,
    server: cpuSecondsOf(server.contender),
    workers: server.workers.map(cpuSecondsOfProcess),
    generator: cpuSecondsOfProcess(generator.pid),
    redis: redis === undefined ? 0 : cpuSecondsOfProcess(redis),
    machine: machineCpuSeconds(),
  });
  const before = read();
  const tally = await generator.burst(server.contender, load.seconds, {
    connections: load.connections,
  });
  const after = read();
  const elapsed = after.at - before.at;
  return {
    errors: tally.errors,
    tokensPerSecond: tally.count / tally.seconds,
    cost: ((after.server - before.server) / tally.count) * 1e6,
    workers: after.workers.map((value, at) => (value - (before.workers[at] ?? 0)) / elapsed),
    generator: (after.generator - before.generator) / elapsed,
    redis: (after.redis - before.redis) / elapsed,
    machine: (after.machine - before.machine) / elapsed,
  };
}

function machineCpuSeconds(): number {
  const busy = cpus().map(({ times }) => times.user + times.nice + times.sys + times.irq);
  return busy.reduce((sum, one) => sum + one, 0) / 1000;
}
