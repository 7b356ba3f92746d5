import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/clock.ts';
import { silentLog } from '../../../src/events.ts';
import { openSqliteStore } from '../../../src/storage/sqlite/sqlite.ts';
import type { Store } from '../../../src/storage/store.ts';
import { openStore, redisSettings } from '../../storage/redis/redis-contract.ts';
import { hasRedis, startRedis } from '../../storage/redis/redis-servers.ts';

/** Two connections to one store, as two processes have them. */
export interface SharedStores {
  readonly all: readonly Store[];
  close(): Promise<void>;
}

async function onSqlite(): Promise<SharedStores> {
  const folder = await mkdtemp(join(tmpdir(), 'tallystick-stores-'));
  const open = () => openSqliteStore({ file: join(folder, 's.sqlite'), clock: systemClock, log: silentLog });
  const all = [await open(), await open()];
  return {
    all,
    close: async () => {
      await Promise.all(all.map((store) => store.close()));
      await rm(folder, { recursive: true });
    },
  };
}

async function onRedis(): Promise<SharedStores> {
  const redis = await startRedis();
  const settings = redisSettings({ url: `redis://127.0.0.1:${redis.port}` });
  const all = [await openStore(settings), await openStore(settings)];
  return {
    all,
    close: async () => {
      await Promise.all(all.map((store) => store.close()));
      await redis.kill();
    },
  };
}

/** Both kinds of store, where the machine has both. */
export const openTestStores: readonly {
  readonly name: string;
  readonly open: () => Promise<SharedStores>;
}[] = [{ name: 'SQLite', open: onSqlite }, ...(hasRedis ? [{ name: 'Redis', open: onRedis }] : [])];
