import { once } from 'node:events';
import { Cluster, Command, Redis } from 'ioredis';
import { isRefusal, OpenBankingError } from '../errors.ts';
import type { Log } from '../log.ts';
import { createRedisClient } from './redis-connection.ts';
import { checkRedisServer } from './redis-server-check.ts';
import type { RedisSettings } from './redis-settings.ts';

/** Connections to what is primary now: one server, or those of a Cluster. */
export interface RedisPrimaries {
  readonly isCluster: boolean;
  /** For single commands that only read. Follows redirections. */
  readonly reader: Redis | Cluster;
  /** The connection to write a key on, if there is one that is ready. */
  primaryOf(key: string): Redis | undefined;
  /** The connection to the node of a redirection, `host:port`; learns the new map of slots meanwhile. */
  redirected(address: string): Redis | undefined;
  /** Why the server must not be used at present. */
  problem(): string | undefined;
  close(): void;
}

/** How long a start waits for Redis. */
const START_MILLISECONDS = 5000;

/**
 * Connects, and checks each server at each new connection.
 *
 * Writes and reads have connections of their own when writes wait for replicas: WAIT holds up what is behind it.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when Redis is not there in time or must not be used
 */
export async function connectRedis(settings: RedisSettings, log: Log): Promise<RedisPrimaries> {
  const problems = new Map<Redis, string>();
  const watch = (redis: Redis) => watchServer(redis, problems, log);
  const writer = createRedisClient(settings, log);
  const reader = settings.waitReplicas > 0 ? createRedisClient(settings, log) : writer;
  const clients = [...new Set([writer, reader])];
  const problem = () => problems.values().next().value;
  const close = () => {
    for (const client of clients) client.disconnect();
  };
  try {
    await Promise.all(clients.map((client) => ready(client, { watch, log })));
  } catch (cause) {
    close();
    if (isRefusal(cause)) throw cause;
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'open' }, { cause });
  }
  const found = problem();
  if (found !== undefined) {
    close();
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: `open: ${found}` });
  }
  return { isCluster: writer instanceof Cluster, reader, ...routesOf(writer), problem, close };
}

function routesOf(writer: Redis | Cluster): Pick<RedisPrimaries, 'primaryOf' | 'redirected'> {
  const ifReady = (redis: Redis | undefined) => (redis?.status === 'ready' ? redis : undefined);
  if (writer instanceof Redis) return { primaryOf: () => ifReady(writer), redirected: () => undefined };
  const nodeAt = (address: string | undefined) =>
    ifReady(writer.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address));
  return {
    primaryOf: (key) => nodeAt(writer.slots[new Command('exists', [key]).getSlot()]?.[0]),
    redirected: (address) => {
      writer.refreshSlotsCache();
      return nodeAt(address);
    },
  };
}

interface Watching {
  /** Answers when the server has been checked. */
  readonly watch: (redis: Redis) => Promise<void>;
  readonly log: Log;
}

async function ready(client: Redis | Cluster, { watch, log }: Watching): Promise<void> {
  const failures = tellAvailability(client, log);
  const inTime = AbortSignal.timeout(START_MILLISECONDS);
  const checks: Promise<void>[] = [];
  if (client instanceof Redis) client.on('ready', () => checks.push(watch(client)));
  else client.on('+node', (node: Redis) => node.on('ready', () => checks.push(watch(node))));
  const isReady = once(client, 'ready', { signal: inTime }).catch((error: unknown) => {
    throw failures.last ?? error;
  });
  client.connect().catch((error: unknown) => {
    failures.last ??= error;
  });
  await isReady;
  if (client instanceof Cluster) await mastersReady(client, inTime);
  await Promise.all(checks);
}

async function mastersReady(cluster: Cluster, signal: AbortSignal): Promise<void> {
  await Promise.all(
    cluster
      .nodes('master')
      .filter(({ status }) => status !== 'ready')
      .map((node) => once(node, 'ready', { signal })),
  );
}

/** One line when Redis goes away and one when it is back, not one for each attempt. */
function tellAvailability(client: Redis | Cluster, log: Log): { last?: unknown } {
  const failures: { last?: unknown } = {};
  const failed = (error: unknown) => {
    if (failures.last === undefined) log.warn('storage.redis.away', { error });
    failures.last = error;
  };
  client.on('error', failed);
  client.on('node error', failed);
  client.on('ready', () => {
    if (failures.last !== undefined) log.info('storage.redis.back');
    delete failures.last;
  });
  return failures;
}

async function watchServer(redis: Redis, problems: Map<Redis, string>, log: Log): Promise<void> {
  try {
    const { problem, warnings } = await checkRedisServer(redis);
    problems.delete(redis);
    if (problem !== undefined) {
      problems.set(redis, problem);
      log.error('storage.redis.refused', { problems: [{ path: addressOf(redis), message: problem }] });
      redis.once('end', () => problems.delete(redis));
    }
    if (warnings.length > 0) {
      const told = warnings.map((message) => ({ path: addressOf(redis), message }));
      log.warn('storage.redis.server', { problems: told });
    }
  } catch (error) {
    problems.set(redis, 'the server could not be checked');
    log.warn('storage.redis.server', { error });
    redis.disconnect(true);
  }
}

function addressOf({ options }: Redis): string {
  return `${options.host ?? ''}:${options.port ?? ''}`;
}
