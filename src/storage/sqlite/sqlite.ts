import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { type Connection, createConnection, makeFile } from './sqlite-connection.ts';
import { followExpiry } from './sqlite-purge.ts';
import { preparedReads, readsOver } from './sqlite-reads.ts';
import { waiting } from './sqlite-waiting.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import { type RecordToStore, replacedJson, type Store } from '../store.ts';

export interface SqliteStoreOptions {
  /** Created when absent, readable by its owner only. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How often expired rows are removed. Default 30. */
  readonly purgeSeconds?: number;
  /** Caps the file, in pages of 4 kB; a write beyond it is refused as on a full disk. Default: the disk. */
  readonly maxPages?: number;
}

/** Longest wait of a start for other processes that open the same new file, or migrate an old one. */
const OPEN_MILLISECONDS = 15_000;
const PURGE_SECONDS = 30;

/**
 * The embedded store: one SQLite file in WAL mode with `synchronous=FULL`, so that acknowledged writes survive a crash
 * and a power cut. Reads run on the calling thread, mostly in memory. Writes run on a separate thread, where waiting
 * writes share one transaction and one fsync. Several processes of one machine may use the file.
 *
 * @throws ERR_STORAGE_UNAVAILABLE when the file cannot be opened, is damaged or is of a newer version
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { file, maxPages, clock, log } = options;
  const target = { file, ...(maxPages === undefined ? {} : { maxPages }) };
  const reader = createConnection({ ...target, isChecked: true }, preparedReads);
  await waiting('open', OPEN_MILLISECONDS, () => {
    makeFile(file);
    reader.use(() => undefined);
  });
  const writer = new SqliteWriter(target);
  try {
    await writer.open(OPEN_MILLISECONDS);
  } catch (cause) {
    await writer.close();
    reader.close();
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'open' }, { cause });
  }
  const now = () => clock.now().getTime();
  const purge = followExpiry({ writer, now, log, seconds: options.purgeSeconds ?? PURGE_SECONDS });
  return storeOver({
    reader,
    writer,
    now,
    close: async () => {
      await purge.close();
      await writer.close();
      reader.close();
    },
  });
}

interface Parts {
  readonly reader: Connection<ReturnType<typeof preparedReads>>;
  readonly writer: SqliteWriter;
  readonly now: () => number;
  readonly close: () => Promise<void>;
}

function storeOver({ reader, writer, now, close }: Parts): Store {
  const toWrite = (kind: string, id: string, record: RecordToStore) => ({
    kind,
    id,
    json: JSON.stringify(record.value),
    expires: record.expiresAt?.getTime() ?? null,
    indexes: Object.entries(record.indexes ?? {}),
    now: now(),
  });

  return {
    ...readsOver({ reader, now }),
    put: async (kind, id, record) => {
      await writer.write({ do: 'put', ...toWrite(kind, id, record) });
    },
    putIfAbsent: async (kind, id, record) =>
      (await writer.write({ do: 'putIfAbsent', ...toWrite(kind, id, record) })) === true,
    replace: async (kind, read, record) => {
      const readJson = replacedJson(read, record);
      return (await writer.write({ do: 'replace', readJson, ...toWrite(kind, read.id, record) })) === true;
    },
    consume: async (kind, id) => (await writer.write({ do: 'consume', kind, id, now: now() })) === true,
    delete: async (kind, id) => {
      await writer.write({ do: 'delete', kind, ids: [id] });
    },
    deleteAll: async (kind, ids) => {
      if (ids.length > 0) await writer.write({ do: 'delete', kind, ids });
    },
    deleteByIndex: async (kind, name, value, tombstoneUntil) => {
      await writer.write({ do: 'deleteByIndex', kind, name, value, until: tombstoneUntil.getTime() });
    },
    allocate: async (counter, count) => Number(await writer.write({ do: 'allocate', counter, count })),
    setBit: async (bitmap, bit, expiresAt) => {
      await writer.write({ do: 'setBit', bitmap, bit, expires: expiresAt.getTime() });
    },

    // A real write, since an empty transaction succeeds on a full or read-only disk.
    isHealthy: () =>
      writer.write({ do: 'allocate', counter: 'health', count: 1 }).then(
        () => true,
        () => false,
      ),
    close,
  };
}
