import { type Clock, systemClock } from '../src/clock.ts';
import { type Log, silentLog } from '../src/events.ts';
import { type OpenList, openFollowedList } from '../src/files/followed-list.ts';
import { FoundRecords } from '../src/files/found-records.ts';
import { registryReader, unpackedRecord } from './registry-reader.ts';
import { recordUnder, type TppRegistry } from './registry.ts';

export interface FileRegistryOptions {
  /** YAML or JSON; see `parseTppRecords` for the shape. */
  readonly file: string;
  /** Default: the machine's own. */
  readonly clock?: Clock;
  /** Default: no log. */
  readonly log?: Log;
  /** Seconds between two looks at the file's date and size. Default 5. */
  readonly pollSeconds?: number;
}

/** A registry that follows a file. */
export interface FileRegistry extends TppRegistry {
  /** Reads the file now if it has changed; true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean>;
}

/**
 * Opens a registry that is read again when its file changes. A new copy replaces the old one as a whole; a bad
 * one is logged with every problem, and the last good copy stays. A file of more than 16 kB is read in a thread of its own.
 *
 * @throws ERR_REGISTRY_INVALID when the first copy is missing or bad
 */
export function openFileRegistry(options: FileRegistryOptions): Promise<FileRegistry> {
  return openListedRegistry(options, openFollowedList);
}

/**
 * As `openFileRegistry`, with the records of a list that `openList` opens.
 *
 * @throws ERR_REGISTRY_INVALID when the first copy is missing or bad
 */
export async function openListedRegistry(
  options: FileRegistryOptions,
  openList: OpenList,
): Promise<FileRegistry> {
  const { file, clock = systemClock, log = silentLog, pollSeconds } = options;
  let loadedAt = clock.now();
  const followed = await openList({
    reader: registryReader,
    source: { file },
    name: 'registry',
    log,
    pollSeconds,
    onChange: () => {
      loadedAt = clock.now();
    },
  });
  const found = new FoundRecords(followed, unpackedRecord);
  const list = () => Object.freeze(followed.current.records().map(unpackedRecord));
  return {
    find: (authorizationNumber, nca) => recordUnder(found.find(authorizationNumber), nca),
    list,
    sources: () => [{ name: 'own list', fetchedAt: loadedAt, size: followed.current.size, list }],
    get loadedAt() {
      return loadedAt;
    },
    reload: () => followed.reload(),
    close: () => followed.close(),
  };
}
