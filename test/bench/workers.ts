import { spawn } from 'node:child_process';
import { hasRedis, startRedis } from '../storage/redis/redis-servers.ts';
import { openBank } from '../durability/bank.ts';
import { DURABLE } from './tokens/durable-redis.ts';
import { median, startGenerator } from './tokens/contenders.ts';
import { openCpuQuota } from './workers/cpu-quota.ts';
import { type Load, type Measured, measureBurst, type Server } from './workers/measure-burst.ts';
import { startServer } from './workers/start-server.ts';

/*
 * client_credentials tokens over mTLS on kept connections, every check on: two workers beside one. On two cores the load
 * and two workers want more than there is, so the kernel holds each worker to half a core, and the load and Redis have
 * what they need. With 16 connections for each worker the ratio shows what workers cost each other (locks, the store,
 * the handing over of connections); with the same 16 in all it also has what each loses by doing fewer requests at
 * a time. It does not show what whole cores take from each other (caches, memory), nor where the one Redis or
 * the one file is full. Without the limit the ratio only says how many cores the load has left.
 * A JWT is not written to the store. Words after the name: rounds, seconds, a store (Redis or SQLite).
 */
const [, , , rounds = '9', seconds = '0.7', onlyStore] = process.argv;
const CORES_EACH = 0.5;
const CONNECTIONS = 16;
/** Rounds under a new limit that do not count. */
const SETTLING = 2;
/** Round robin gives each worker half of the connections; less work than this is not a spread. */
const LEAST_SHARE = 0.35;

const hasQuotas = canLimit();
const bank = await openBank();
const redis = hasRedis ? await startRedis(DURABLE) : undefined;
const generator = startGenerator(bank);
const around = { generator, redis: redis?.process.pid };
const stores = {
  ...(redis && { Redis: { secretFile: 'bank.secret', redis: { url: `redis://127.0.0.1:${redis.port}` } } }),
  SQLite: { secretFile: 'bank.secret', file: 'bank.sqlite' },
};

for (const [name, storage] of Object.entries(stores)) {
  if (name !== (onlyStore ?? name)) continue;
  for (const format of ['opaque', 'jwt']) {
    const options = { bank, generator, more: { storage, accessToken: { format } }, hasQuotas };
    const pair = [
      await startServer({ ...options, count: 1 }),
      await startServer({ ...options, count: 2 }),
    ] as const;
    const free = { seconds: Number(seconds), connections: CONNECTIONS, cores: undefined };
    const limited = { ...free, cores: CORES_EACH };
    const twice = { ...limited, connections: 2 * CONNECTIONS };
    const title = (text: string) => `${name}, ${format}, ${text}`;
    if (hasQuotas) {
      await compare(title('half a core and 16 connections for each worker'), pair, [limited, twice]);
      await compare(title('half a core for each worker, 16 connections in all'), pair, [limited, limited]);
    }
    await compare(title('no limit, 16 connections in all'), pair, [free, free]);
    for (const { contender } of pair) contender.child.kill('SIGKILL');
  }
}
generator.close();
await redis?.kill();
await bank.close();
process.exit();

function canLimit(): boolean {
  const probe = spawn('sleep', ['60']);
  try {
    openCpuQuota(probe.pid ?? 0).close();
    return true;
  } catch (error) {
    console.log(
      `no limit: cgroups cannot be written (${String(error)}); ratios say how many cores were left`,
    );
    return false;
  } finally {
    probe.kill();
  }
}

async function compare(
  title: string,
  [one, two]: readonly [Server, Server],
  loads: readonly [Load, Load],
): Promise<void> {
  const [load, loadOfTwo] = loads;
  const single: Measured[] = [];
  const double: Measured[] = [];
  for (let round = 0; round < SETTLING + Number(rounds); round += 1) {
    const isTwoFirst = round % 2 === 1;
    if (isTwoFirst) double.push(await measureBurst(two, loadOfTwo, around));
    single.push(await measureBurst(one, load, around));
    if (!isTwoFirst) double.push(await measureBurst(two, loadOfTwo, around));
  }
  single.splice(0, SETTLING);
  double.splice(0, SETTLING);
  console.log(title);
  tell('one worker ', single, load.cores);
  tell('two workers', double, load.cores);
  const ratios = double.map(
    (twice, at) => twice.tokensPerSecond / (single[at]?.tokensPerSecond ?? Number.NaN),
  );
  const costs = double.map((twice, at) => twice.cost / (single[at]?.cost ?? Number.NaN));
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  const found = median(ratios).toFixed(2);
  console.log(
    `  two / one: ${found} x the tokens (${low} to ${high}), ${median(costs).toFixed(2)} x the CPU each`,
  );
  const total = (cores: readonly number[]) => cores.reduce((sum, one) => sum + one, 0);
  const least = Math.min(...double.map(({ workers }) => Math.min(...workers) / total(workers)));
  if (least < LEAST_SHARE) throw new Error(`a worker did ${least.toFixed(2)} of the work: not spread`);
}

function tell(name: string, bursts: readonly Measured[], cores: number | undefined): void {
  const of = (pick: (burst: Measured) => number, digits = 2) => median(bursts.map(pick)).toFixed(digits);
  const used = (at: number) =>
    cores === undefined
      ? `${of(({ workers }) => workers[at] ?? 0)} cores`
      : `${of(({ workers }) => ((workers[at] ?? 0) / cores) * 100, 0)} %`;
  const parts = [
    `${of((burst) => burst.tokensPerSecond, 0)} tokens/s`,
    `${of((burst) => burst.cost, 0)} us of CPU each`,
    `${cores === undefined ? 'uses' : 'uses of its limit'} ${bursts[0]?.workers.map((_, at) => used(at)).join(' and ')}`,
    `load ${of((burst) => burst.generator)}, Redis ${of((burst) => burst.redis)}`,
    `machine ${of((burst) => burst.machine)} cores`,
    `${bursts.reduce((sum, burst) => sum + burst.errors, 0)} errors`,
  ];
  console.log(`  ${name}: ${parts.join(', ')}`);
}
