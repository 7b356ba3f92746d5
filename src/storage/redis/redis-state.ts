import type { Log } from '../../events.ts';
import { connectRedis } from './redis-primaries.ts';
import type { RedisSettings } from './redis-settings.ts';

/** Facts about a Redis that may be used; undefined where the server does not disclose one. */
export interface RedisState {
  readonly version: string | undefined;
  readonly replicas: number | undefined;
  /** Its clock, and the time of the answer by the monotonic clock of this process. */
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
    const [info, time] = await Promise.allSettled([reader.info(), reader.time()]);
    const text = info.status === 'fulfilled' ? info.value : '';
    const replicas = /^connected_slaves:(\d+)/m.exec(text)?.[1];
    const [seconds = Number.NaN, microseconds = 0] =
      time.status === 'fulfilled' ? time.value.map(Number) : [];
    const milliseconds = seconds * 1000 + microseconds / 1000;
    return {
      version: /^redis_version:(\S+)/m.exec(text)?.[1],
      replicas: replicas === undefined ? undefined : Number(replicas),
      time: Number.isNaN(milliseconds) ? undefined : new Date(milliseconds),
    };
  } finally {
    close();
  }
}
