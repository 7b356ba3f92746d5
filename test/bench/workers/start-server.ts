import type { Bank } from '../../durability/bank.ts';
import { childrenOf, type startGenerator, startOwn } from '../tokens/contenders.ts';
import { type CpuQuota, openCpuQuota } from './cpu-quota.ts';
import type { Server } from './measure-burst.ts';

export interface StartServerOptions {
  readonly bank: Bank;
  readonly generator: ReturnType<typeof startGenerator>;
  readonly count: number;
  /** Members of the configuration. */
  readonly more: object;
  readonly hasQuotas: boolean;
}

/** The compiler of the engine takes so many requests to be done, in each worker. */
const WARM_TOKENS = 30_000;
let started = 0;

/** `tallystick serve` with so many workers, each in a cgroup of its own, and warm. It ends with this process. */
export async function startServer(options: StartServerOptions): Promise<Server> {
  const { bank, generator, count, more } = options;
  started += 1;
  const contender = await startOwn(bank, `workers ${started}`, { ...more, workers: count });
  const quotas: CpuQuota[] = [];
  process.once('exit', () => {
    contender.child.kill('SIGKILL');
    for (const quota of quotas) quota.close();
  });
  const pid = contender.child.pid ?? 0;
  const workers = count === 1 ? [pid] : childrenOf(pid);
  if (workers.length !== count) throw new Error(`${workers.length} workers instead of ${count}`);
  if (options.hasQuotas) for (const worker of workers) quotas.push(openCpuQuota(worker));
  for (let done = 0; done < WARM_TOKENS * count; )
    done += (await generator.burst(contender, 1, { connections: 32 })).count;
  return { contender, workers, quotas };
}
