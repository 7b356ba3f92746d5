import { Cluster, Command, Redis } from 'ioredis';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { createRedisClient, retryDelay } from './redis-connection.ts';
import type { RedisSettings } from './redis-settings.ts';
import { createRedisWatch, type RedisWatch } from './redis-watch.ts';

/** Connections to the present primaries: one server, or those of a Cluster. */
export interface RedisPrimaries {
  readonly isCluster: boolean;
  /** Connection for single commands that only read. Follows redirections. */
  readonly reader: Redis | Cluster;
  /** The connection that writes a key; undefined when none is ready. */
  primaryOf(key: string): Redis | undefined;
  /** The connection to the node `host:port` that a key was redirected to; undefined unless known and ready. */
  redirected(key: string, address: string): Redis | undefined;
  /** The reason why the server must not be used at present. */
  problem(): string | undefined;
  close(): void;
}

/** How long a start waits for Redis. */
const START_MILLISECONDS = 5000;

/**
 * Connects, and checks each server at each new connection.
 *
 * With `waitReplicas` writes and reads use separate connections, since WAIT delays every later command of its connection.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when Redis does not answer in time or must not be used
 */
export async function connectRedis(settings: RedisSettings, log: Log): Promise<RedisPrimaries> {
  const watch = createRedisWatch(log);
  const writer = createRedisClient(settings, log);
  const reader = settings.waitReplicas > 0 ? createRedisClient(settings, log) : writer;
  const clients = [...new Set([writer, reader])];
  const closing = new AbortController();
  for (const client of clients) reconnectAfterEnd(client, closing.signal);
  const close = () => {
    closing.abort();
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

/**
 * Connects again when ioredis has given up. Its failover detector closes an attempt to connect that is looking for the new
 * primary, and the client then ends for good: a process would answer 503 until its restart.
 */
function reconnectAfterEnd(client: Redis | Cluster, closed: AbortSignal): void {
  client.on('end', () => {
    if (closed.aborted) return;
    const connect = () => {
      if (!closed.aborted) void Promise.allSettled([client.connect()]);
    };
    setTimeout(connect, retryDelay(1)).unref();
  });
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
      // A plain command follows the redirection, so ioredis learns the new slot map and connects to a new node.
      void Promise.allSettled([writer.exists(key)]);
      return node;
    },
  };
}

async function connected(client: Redis | Cluster, watch: RedisWatch): Promise<void> {
  watch.follow(client);
  // The first attempt may fail: ioredis retries, and the watch records the fault.
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
