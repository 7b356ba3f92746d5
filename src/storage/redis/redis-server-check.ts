import { type Redis, ReplyError } from 'ioredis';

export interface RedisServerCheck {
  /** The reason why this server must not be used. */
  readonly problem?: string;
  /** Findings for the operator that do not forbid the server. */
  readonly warnings: readonly string[];
}

/** ZADD with GT, and ACLs. */
const LEAST_VERSION = [6, 2] as const;

/**
 * Checks a server before it holds one-time values: the server must not evict keys and must be recent enough. A fact
 * that the server does not disclose becomes a warning.
 */
export async function checkRedisServer(
  redis: Redis,
  { mayBeReplica }: { readonly mayBeReplica: boolean },
): Promise<RedisServerCheck> {
  let info: Map<string, string>;
  try {
    info = fieldsOf(await redis.info());
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    return { warnings: [`version, maxmemory-policy and persistence are not checked: ${error}`] };
  }
  const isReplica = info.get('role') === 'slave' && !mayBeReplica;
  const problem = isReplica ? 'it is a replica: writes belong to its primary' : problemOf(info);
  const warnings =
    info.get('aof_enabled') === '0'
      ? ['appendonly is off: a restart of Redis loses what it acknowledged']
      : [];
  return problem === undefined ? { warnings } : { problem, warnings };
}

function problemOf(info: ReadonlyMap<string, string>): string | undefined {
  const version = info.get('redis_version') ?? '0.0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1])) {
    return `Redis ${version} is too old: ${LEAST_VERSION.join('.')} or later is needed`;
  }
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    return `maxmemory-policy is ${policy}: it must be noeviction, or consumptions and tombstones get lost`;
  }
  return undefined;
}

function fieldsOf(info: string): Map<string, string> {
  return new Map(
    info.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)] as const] : [];
    }),
  );
}
