import { hasRedis, startRedis } from './redis/redis-servers.ts';

/** A kind of store that several processes can share. */
export interface SharedStore {
  readonly name: 'SQLite' | 'Redis';
  /** Whether its program is on this machine. */
  readonly isThere: boolean;
  open(): Promise<OpenedStorage>;
}

export interface OpenedStorage {
  /** As `storage` of the configuration; undefined for the file of the bank. */
  readonly storage: object | undefined;
  close(): Promise<void>;
}

export const SHARED_STORES: readonly SharedStore[] = [
  { name: 'SQLite', isThere: true, open: async () => ({ storage: undefined, close: async () => undefined }) },
  {
    name: 'Redis',
    isThere: hasRedis,
    open: async () => {
      const { port, kill } = await startRedis();
      return { storage: { redis: { url: `redis://127.0.0.1:${port}` } }, close: kill };
    },
  },
];
