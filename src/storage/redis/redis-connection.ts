import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../../log.ts';
import { type RedisSettings, readRedisSecrets } from './redis-settings.ts';

const FIRST_RETRY_MILLISECONDS = 50;
const LAST_RETRY_MILLISECONDS = 2000;
/** After so many failures a node of a Cluster is given up, until the Cluster names it again. */
const CLUSTER_NODE_RETRIES = 6;
/** How old the map of slots gets when no redirection tells of a change. */
const SLOTS_REFRESH_MILLISECONDS = 1000;

/**
 * An ioredis client that is not connected yet, and that hides nothing: a command is sent once and at once, or
 * refused; it is answered in time, or refused; after a lost connection nothing is sent again.
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
    // It would ask a node that is not connected yet, and begin anew.
    enableReadyCheck: false,
    redisOptions: { ...connectionOptions(settings), ...readRedisSecrets(settings) },
    clusterRetryStrategy: retryDelay,
    clusterNodeRetryStrategy: (times) => (times > CLUSTER_NODE_RETRIES ? null : retryDelay(times)),
    slotsRefreshInterval: SLOTS_REFRESH_MILLISECONDS,
    slotsRefreshTimeout: settings.timeoutMilliseconds,
    // These two would send a command again whose answer was lost, or hold it back.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // A certificate is checked against the name in the configuration, not against the address behind it.
    ...(settings.tls === undefined ? {} : { dnsLookup: (name, callback) => callback(null, name) }),
  });
  cluster.on('+node', (node: Redis) => {
    // ioredis gives nodes a queue of their own, and connects them at their first command.
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
    // Finds half-open connections: nothing came although an answer is due.
    socketTimeout: settings.timeoutMilliseconds,
    disconnectTimeout: 500,
    maxLoadingRetryTime: 500,
    connectionName: 'tallystick',
    disableClientInfo: true,
    // A primary that was demoted: look for the new one.
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
    // Leaves a primary as soon as the Sentinels have another, even if it still answers.
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

/** A changed password or certificate is used by the next connection; a file that went away changes nothing. */
function refreshSecrets(redis: Redis, settings: RedisSettings, log: Log): void {
  try {
    Object.assign(redis.options, readRedisSecrets(settings));
  } catch (error) {
    log.warn('storage.redis.secrets', { error });
  }
}

/** Doubles, with a quarter of jitter, so that hosts do not come back all at once. */
function retryDelay(times: number): number {
  const delay = Math.min(FIRST_RETRY_MILLISECONDS * 2 ** (times - 1), LAST_RETRY_MILLISECONDS);
  return delay * (0.75 + Math.random() * 0.25);
}
