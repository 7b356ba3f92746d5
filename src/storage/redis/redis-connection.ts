import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../../events.ts';
import { type RedisSettings, readRedisSecrets } from './redis-settings.ts';

const FIRST_RETRY_MILLISECONDS = 50;
const LAST_RETRY_MILLISECONDS = 2000;
/** After so many failures ioredis drops a node of a Cluster, until the Cluster names the node again. */
const CLUSTER_NODE_RETRIES = 6;
/** Longest age of the slot map when no redirection shows a change. */
const SLOTS_REFRESH_MILLISECONDS = 1000;

/**
 * An ioredis client that is not connected yet, without queues and retries. A command is sent once and at once, or
 * refused; is answered in time, or refused; and is never sent again after a lost connection.
 */
export function createRedisClient(settings: RedisSettings, log: Log): Redis | Cluster {
  return settings.nodes === undefined ? createSingle(settings, log) : createCluster(settings, log);
}

function createSingle(settings: RedisSettings, log: Log): Redis {
  const secrets = readRedisSecrets(settings);
  const redis = new Redis({
    ...connectionOptions(settings),
    ...addressOf(settings),
    ...secrets,
    ...(settings.sentinels === undefined ? {} : sentinelOptions(settings)),
    ...(secrets.tls === undefined ? {} : { sentinelTLS: secrets.tls, enableTLSForSentinelMode: true }),
    enableOfflineQueue: false,
    retryStrategy: (times) => {
      refreshSecrets(redis, settings, log);
      return retryDelay(times);
    },
  });
  return redis;
}

function createCluster(settings: RedisSettings, log: Log): Cluster {
  const cluster = new Cluster((settings.nodes ?? []).map(hostAndPort), {
    lazyConnect: true,
    enableOfflineQueue: false,
    // The ready check would ask a node that is not connected yet, and start over.
    enableReadyCheck: false,
    redisOptions: { ...connectionOptions(settings), ...readRedisSecrets(settings) },
    clusterRetryStrategy: retryDelay,
    clusterNodeRetryStrategy: (times) => (times > CLUSTER_NODE_RETRIES ? null : retryDelay(times)),
    slotsRefreshInterval: SLOTS_REFRESH_MILLISECONDS,
    slotsRefreshTimeout: settings.timeoutMilliseconds,
    // These two delays would repeat a command whose answer was lost, or hold it back.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // A certificate is checked against the name in the configuration, not against the address behind it.
    ...(settings.tls === undefined ? {} : { dnsLookup: (name, callback) => callback(null, name) }),
  });
  cluster.on('+node', (node: Redis) => {
    // ioredis opens nodes with an offline queue, and connects them at their first command.
    node.options.enableOfflineQueue = false;
    refreshSecrets(node, settings, log);
    node.connect().catch((error: unknown) => cluster.emit('node error', error));
  });
  return cluster;
}

function connectionOptions(settings: RedisSettings) {
  return {
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: settings.timeoutMilliseconds,
    commandTimeout: settings.timeoutMilliseconds,
    // Detects half-open connections: an answer is due and no byte has come.
    socketTimeout: settings.timeoutMilliseconds,
    disconnectTimeout: 500,
    maxLoadingRetryTime: 500,
    connectionName: 'tallystick',
    disableClientInfo: true,
    // A demoted primary answers READONLY; the new primary must be found.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions;
}

function sentinelOptions(settings: RedisSettings) {
  return {
    sentinels: (settings.sentinels ?? []).map(hostAndPort),
    name: settings.sentinelName ?? '',
    role: 'master' as const,
    sentinelCommandTimeout: settings.timeoutMilliseconds,
    sentinelRetryStrategy: retryDelay,
    // Leaves a primary as soon as the Sentinels name another, even if the old one still answers.
    failoverDetector: true,
    sentinelReconnectStrategy: retryDelay,
  } satisfies RedisOptions;
}

function addressOf({ url }: RedisSettings) {
  if (url === undefined) return {};
  const { hostname, port, pathname } = new URL(url);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 6379 : Number(port),
    db: Number(pathname.slice(1)),
  };
}

function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

/** Reads the files again for the next connection. A file that is gone changes nothing. */
function refreshSecrets(redis: Redis, settings: RedisSettings, log: Log): void {
  try {
    Object.assign(redis.options, readRedisSecrets(settings));
  } catch (error) {
    log.emit('storage.redis.secrets', { error });
  }
}

/** Doubles at each failure, with a quarter of jitter, so that hosts do not reconnect all at once. */
export function retryDelay(times: number): number {
  const delay = Math.min(FIRST_RETRY_MILLISECONDS * 2 ** (times - 1), LAST_RETRY_MILLISECONDS);
  return delay * (0.75 + Math.random() * 0.25);
}
