import type { Log } from '../../events.ts';
import { connectRedis } from './redis-primaries.ts';
import type { RedisSettings } from './redis-settings.ts';

/** Facts about a Redis that may be used; undefined where the server does not disclose one. */
export interface RedisState {
  readonly version: string | undefined;
  readonly replicas: number | undefined;
  /** `appendfsync`, where a file is appended to. */
  readonly flush: string | undefined;
  /** Whether the last write to that file failed. */
  readonly hasFailedWrite: boolean;
  /** Undefined without `maxmemory`, too. */
  readonly memory: { readonly usedBytes: number; readonly limitBytes: number } | undefined;
  /** Its clock. */
  readonly time: Date | undefined;
}

/**
 * Connects as a store does, with the checks of its start, reads and disconnects. Nothing is written.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when Redis does not answer in time or must not be used
 */
export async function readRedisState(settings: RedisSettings, log: Log): Promise<RedisState> {
  const { reader, close } = await connectRedis(settings, log);
  try {
    const [info, time, flush] = await Promise.allSettled([
      reader.info(),
      reader.time(),
      reader.config('GET', 'appendfsync'),
    ]);
    const text = info.status === 'fulfilled' ? info.value : '';
    const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(text)?.[1];
    const number = (name: string) => Number(field(name) ?? Number.NaN);
    const replicas = number('connected_slaves');
    const [usedBytes, limitBytes] = [number('used_memory'), number('maxmemory')];
    return {
      version: field('redis_version'),
      replicas: Number.isNaN(replicas) ? undefined : replicas,
      flush: field('aof_enabled') === '1' && flush.status === 'fulfilled' ? secondOf(flush.value) : undefined,
      hasFailedWrite: field('aof_last_write_status') === 'err',
      memory: limitBytes > 0 && usedBytes > 0 ? { usedBytes, limitBytes } : undefined,
      time: time.status === 'fulfilled' ? dateOf(time.value) : undefined,
    };
  } finally {
    close();
  }
}

/** The value of a reply of one name and its value. */
function secondOf(reply: unknown): string | undefined {
  return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined;
}

/** Of seconds and microseconds. */
function dateOf(reply: readonly (number | string)[]): Date | undefined {
  const [seconds = Number.NaN, microseconds = 0] = reply.map(Number);
  return Number.isNaN(seconds) ? undefined : new Date(seconds * 1000 + microseconds / 1000);
}
