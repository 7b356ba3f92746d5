import { type Cluster, Redis } from 'ioredis';
import type { Log } from '../../events.ts';
import { checkRedisServer } from './redis-server-check.ts';

/** Watches connections: checks each server at every new connection, and logs when a server goes away or comes back. */
export interface RedisWatch {
  /** Watches every present and later connection of the client. */
  follow(client: Redis | Cluster): void;
  /** Resolves when the checks in progress have ended. */
  checked(): Promise<void>;
  /** The reason why some server must not be used at present. */
  problem(): string | undefined;
  /** The last fault of a connection that is still down. */
  lastFault(): unknown;
}

/** Time between two checks of a server that must not be used. */
const RECHECK_MILLISECONDS = 1000;

export function createRedisWatch(log: Log): RedisWatch {
  const problems = new Map<Redis, string>();
  const faults = new Map<Redis | Cluster, unknown>();
  const checks = new Set<Promise<void>>();

  const followClient = (client: Redis | Cluster) => {
    const failed = (error: unknown) => {
      // One line when the server goes away and one when it is back, instead of one for each attempt.
      if (!faults.has(client)) log.emit('storage.redis.away', { error });
      faults.set(client, error);
    };
    client.on('error', failed);
    client.on('ready', () => {
      if (faults.delete(client)) log.emit('storage.redis.back');
    });
  };
  const followServer = (redis: Redis, isOfCluster: boolean) => {
    redis.on('end', () => problems.delete(redis));
    const checkNow = () => {
      if (redis.status !== 'ready') return;
      const check = checkOne(redis, { mayBeReplica: isOfCluster, problems, log }).finally(() => {
        checks.delete(check);
        if (problems.has(redis)) setTimeout(checkNow, RECHECK_MILLISECONDS).unref();
      });
      checks.add(check);
    };
    redis.on('ready', checkNow);
  };

  return {
    follow(client) {
      followClient(client);
      if (client instanceof Redis) followServer(client, false);
      else {
        client.on('+node', (node: Redis) => {
          followClient(node);
          // A node that the Cluster has dropped. A client itself is connected again.
          node.on('end', () => faults.delete(node));
          followServer(node, true);
        });
      }
    },
    checked: async () => {
      await Promise.all(checks);
    },
    problem: () => problems.values().next().value,
    lastFault: () => [...faults.values()].at(-1),
  };
}

interface Checking {
  readonly mayBeReplica: boolean;
  readonly problems: Map<Redis, string>;
  readonly log: Log;
}

async function checkOne(redis: Redis, { mayBeReplica, problems, log }: Checking): Promise<void> {
  const { host = '', port = '' } = redis.options;
  const told = (message: string) => ({ problems: [{ path: `${host}:${port}`, message }] });
  try {
    const { problem, warnings } = await checkRedisServer(redis, { mayBeReplica });
    const before = problems.get(redis);
    problems.delete(redis);
    if (problem !== undefined) problems.set(redis, problem);
    if (problem === before && before !== undefined) return;
    for (const warning of warnings) log.emit('storage.redis.server', told(warning));
    if (problem === undefined) return;
    log.emit('storage.redis.refused', told(problem));
  } catch (error) {
    // A connection that was lost during the check is checked when it is back.
    if (!redis.stream.writable) return;
    log.emit('storage.redis.unchecked', { error });
    redis.disconnect(true);
  }
}
