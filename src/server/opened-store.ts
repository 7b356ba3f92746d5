import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Config } from '../configuration/config.ts';
import { invalidConfig } from '../errors.ts';
import type { Log } from '../events.ts';
import { creationProblem } from '../files/created-file.ts';
import { openRedisStore } from '../storage/redis/redis.ts';
import { openSqliteStore } from '../storage/sqlite/sqlite.ts';
import type { Store } from '../storage/store.ts';

/**
 * Opens the store that a configuration names.
 *
 * @throws ERR_CONFIG_INVALID, ERR_STORAGE_UNAVAILABLE
 */
export async function openStore(
  { file, redis }: Config['storage'],
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<Store> {
  if (redis !== undefined) return openRedisStore({ settings: redis, ...parts });
  if (file !== undefined) {
    await stat(dirname(file)).catch((error: NodeJS.ErrnoException) => {
      throw invalidConfig(file, [{ path: 'storage.file', message: creationProblem(error) }], error);
    });
    return openSqliteStore({ file, ...parts });
  }
  throw new TypeError('the configuration names no store');
}
