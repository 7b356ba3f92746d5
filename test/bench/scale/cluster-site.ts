import { openBank } from '../../durability/bank.ts';
import { type RedisCluster, startRedisCluster } from '../../storage/redis/redis-groups.ts';
import { JOURNEY_BANK } from '../journeys/bank-module.ts';
import { type Contender, cpuSecondsOfProcess, startOwn } from '../tokens/contenders.ts';
import { DURABLE } from '../tokens/durable-redis.ts';

/** Three servers of one issuer. */
export type Servers = readonly [Contender, Contender, Contender];

/** Work of the six nodes of a Cluster, three primaries first, up to now or between two readings. */
export interface NodeWork {
  readonly cpuSeconds: readonly number[];
  /** Commands about keys. */
  readonly commands: readonly number[];
}

const SIZE = 3;
/** No failover because the machine is busy. */
const STEADY = ['cluster-node-timeout 30000'];
/** Ten processes on two cores, and a disk that others write to as well, would make refusals of slow answers. */
const PATIENT = { waitTimeoutMilliseconds: 1000, timeoutMilliseconds: 1800 };
/** Commands that keep a connection, a Cluster or a replica going. */
const UPKEEP = new Set([
  'ping',
  'info',
  'replconf',
  'wait',
  'hello',
  'select',
  'readonly',
  'psync',
  'command',
]);

/** A bank whose servers share a Cluster of six nodes on this machine, as docs/operate.md describes one. */
export async function openClusterSite() {
  const cluster = await startRedisCluster({ lines: [...DURABLE.lines, ...STEADY] });
  const bank = await openBank({ redis: { nodes: cluster.addresses, ...PATIENT } });
  const started: Contender[] = [];
  const endAll = () => {
    for (const { child } of started) child.kill('SIGKILL');
  };
  process.once('exit', endAll);
  const start = async (format: 'jwt' | 'opaque', at: number): Promise<Contender> => {
    const server = await startOwn(bank, `${format} ${at}`, {
      ...{ bankModule: JOURNEY_BANK, accessToken: { format } },
      sca: { enabled: true, factors: ['totp'] },
    });
    started.push(server);
    return server;
  };
  return {
    bank,
    cluster,
    servers: async (format: 'jwt' | 'opaque'): Promise<Servers> => [
      // The first one makes the secret.
      await start(format, 0),
      ...((await Promise.all([start(format, 1), start(format, SIZE - 1)])) as [Contender, Contender]),
    ],
    close: async () => {
      endAll();
      await cluster.close();
      await bank.close();
    },
  };
}

export async function workOf({ nodes }: RedisCluster): Promise<NodeWork> {
  return {
    cpuSeconds: nodes.map(({ process: { pid = 0 } }) => cpuSecondsOfProcess(pid)),
    commands: await Promise.all(
      nodes.map(async ({ admin }) => keyedCommands(await admin.info('commandstats'))),
    ),
  };
}

export function between(before: NodeWork, after: NodeWork): NodeWork {
  const less = (name: keyof NodeWork) => after[name].map((value, at) => value - (before[name][at] ?? 0));
  return { cpuSeconds: less('cpuSeconds'), commands: less('commands') };
}

export function scaled(work: NodeWork, factor: number): NodeWork {
  const times = (values: readonly number[]) => values.map((value) => value * factor);
  return { cpuSeconds: times(work.cpuSeconds), commands: times(work.commands) };
}

function keyedCommands(info: string): number {
  return [...info.matchAll(/^cmdstat_([a-z]+)(\|[a-z-]+)?:calls=(\d+)/gm)]
    .filter(([, name = '', sub]) => sub === undefined && !UPKEEP.has(name))
    .reduce((sum, [, , , calls]) => sum + Number(calls), 0);
}
