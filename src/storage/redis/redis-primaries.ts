import { Cluster, Command, Redis } from 'ioredis';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { createRedisClient } from './redis-connection.ts';
import type { RedisSettings } from './redis-settings.ts';
import { createRedisWatch, type RedisWatch } from './redis-watch.ts';

/** Connections to what is primary now: one server, or those of a Cluster. */
export interface RedisPrimaries {
  readonly isCluster: boolean;
  /** For single commands that only read. Follows redirections. */
  readonly reader: Redis | Cluster;
  /** The connection to write a key on, if there is one that is ready. */
  primaryOf(key: string): Redis | undefined;
  /** The connection to the node that a key was redirected to, `host:port`, if it is known and ready. */
  redirected(key: string, address: string): Redis | undefined;
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
  const watch = createRedisWatch(log);
  const writer = createRedisClient(settings, log);
  const reader = settings.waitReplicas > 0 ? createRedisClient(settings, log) : writer;
  const clients = [...new Set([writer, reader])];
  const close = () => {
    for (const client of clients) client.disconnect();
  };
  try {
    await inTime(START_MILLISECONDS, watch, async () => {
      await Promise.all(clients.map((client) => connected(client, watch)));
      await watch.checked();
    });
    const problem = watch.problem();
    if (problem !== undefined) throw new Error(problem);
  } catch (cause) {
    close();
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: `open: ${cause}` }, { cause });
  }
  const { problem } = watch;
  return { isCluster: writer instanceof Cluster, reader, ...routesOf(writer), problem, close };
}

function routesOf(writer: Redis | Cluster): Pick<RedisPrimaries, 'primaryOf' | 'redirected'> {
  const ifReady = (redis: Redis | undefined) => (redis?.status === 'ready' ? redis : undefined);
  if (writer instanceof Redis) return { primaryOf: () => ifReady(writer), redirected: () => undefined };
  const nodeAt = (address: string | undefined) =>
    ifReady(writer.nodes('master').find(({ options }) => `${options.host}:${options.port}` === address));
  return {
    primaryOf: (key) => nodeAt(writer.slots[new Command('exists', [key]).getSlot()]?.[0]),
    redirected: (key, address) => {
      const node = nodeAt(address);
      // A plain command follows the redirection: ioredis learns the new map, and connects to a node that is new.
      void Promise.allSettled([writer.exists(key)]);
      return node;
    },
  };
}

async function connected(client: Redis | Cluster, watch: RedisWatch): Promise<void> {
  watch.follow(client);
  // The first attempt may fail: ioredis goes on, and tells the watch.
  await Promise.allSettled([client.connect()]);
  await becomesReady(client);
  if (client instanceof Cluster) await Promise.all(client.nodes('master').map(becomesReady));
}

function becomesReady(client: Redis | Cluster): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve) => client.once('ready', () => resolve()));
}

async function inTime(milliseconds: number, watch: RedisWatch, work: () => Promise<void>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(watch.lastFault() ?? new Error(`no answer in ${milliseconds} ms`));
  }, milliseconds);
  await Promise.race([work(), late.promise]).finally(() => clearTimeout(timer));
}
