import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../src/clock.ts';
import { isRefusal, OpenBankingError } from '../src/errors.ts';
import type { Log } from '../src/log.ts';
import { parseTppRecords, type TppRecord } from './record.ts';
import { findRecord, type Index, indexRecords, type TppRegistry } from './registry.ts';

export interface FileRegistryOptions {
  /** YAML or JSON; see `parseTppRecords` for the shape. */
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the file is looked at. Default 5. */
  readonly pollSeconds?: number;
}

/** A registry that follows a file. */
export interface FileRegistry extends TppRegistry {
  /** Looks at the file now: true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean>;
}

const POLL_SECONDS = 5;

/**
 * Opens a registry that is read again when its file changes, by an editor, a rename or a switched link. A new
 * copy replaces the old one as a whole; a bad one is logged with every problem, and the last good copy stays.
 *
 * @throws ERR_REGISTRY_INVALID when the first copy is missing or bad
 */
export async function openFileRegistry(options: FileRegistryOptions): Promise<FileRegistry> {
  const { file, clock, log } = options;
  let seen = await versionOf(file);
  let current = await read(file, clock);
  log.info('registry.loaded', { file, count: current.records.length });
  let pending: Promise<boolean> | undefined;

  const take = async (version: string): Promise<boolean> => {
    try {
      current = await read(file, clock);
      seen = version;
      log.info('registry.loaded', { file, count: current.records.length });
      return true;
    } catch (error) {
      const isFault = isRefusal(error) && error.cause !== undefined;
      // A file that cannot be read is tried again; one that is bad stays so until it changes.
      if (!isFault) seen = version;
      const problems = isRefusal(error, 'ERR_REGISTRY_INVALID') ? error.details.problems : [];
      log.error('registry.refused', { file, problems, error });
      return false;
    }
  };
  const reload = (): Promise<boolean> => {
    pending ??= versionOf(file)
      .then((version) => (version === seen ? false : take(version)))
      .finally(() => {
        pending = undefined;
      });
    return pending;
  };
  // A change is taken up at the second look: an editor may still be writing at the first.
  let changing: string | undefined;
  const poll = async (): Promise<void> => {
    const version = await versionOf(file);
    if (version !== seen && version === changing) await reload();
    changing = version;
  };
  const timer = setInterval(() => void poll(), (options.pollSeconds ?? POLL_SECONDS) * 1000);
  timer.unref();

  return {
    find: (authorizationNumber, nca) => findRecord(current.index, authorizationNumber, nca),
    list: () => current.records,
    get loadedAt() {
      return current.loadedAt;
    },
    reload,
    close: async () => {
      clearInterval(timer);
      await pending;
    },
  };
}

interface Copy {
  readonly records: readonly TppRecord[];
  readonly index: Index;
  readonly loadedAt: Date;
}

async function read(file: string, clock: Clock): Promise<Copy> {
  const content = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const problems = [{ path: '', message: `cannot be read: ${cause.code}` }];
    throw new OpenBankingError('ERR_REGISTRY_INVALID', { source: file, problems }, { cause });
  });
  const records = parseTppRecords(content, { source: file });
  return { records, index: indexRecords(records), loadedAt: clock.now() };
}

/** Changes whenever the content may have; `missing` when there is no file. */
async function versionOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return 'missing';
  }
}
