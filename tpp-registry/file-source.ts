import { type Clock, systemClock } from '../src/clock.ts';
import { OpenBankingError } from '../src/errors.ts';
import { openFollowedFile } from '../src/files/followed-file.ts';
import { type Log, silentLog } from '../src/events.ts';
import { parseTppRecords } from './record.ts';
import { indexRecords, type RecordCopy, registryOver, type TppRegistry } from './registry.ts';

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
 * one is logged with every problem, and the last good copy stays.
 *
 * @throws ERR_REGISTRY_INVALID when the first copy is missing or bad
 */
export async function openFileRegistry(options: FileRegistryOptions): Promise<FileRegistry> {
  const { file, clock = systemClock, log = silentLog, pollSeconds } = options;
  const followed = await openFollowedFile<RecordCopy>({
    file,
    name: 'registry',
    log,
    ...(pollSeconds === undefined ? {} : { pollSeconds }),
    parse: (content) => indexRecords(parseTppRecords(content, { source: file }), clock.now()),
    unreadable: (cause) => {
      const problems = [{ path: '', message: `cannot be read: ${cause.code}` }];
      return new OpenBankingError('ERR_REGISTRY_INVALID', { source: file, problems }, { cause });
    },
    count: ({ records }) => records.length,
  });
  return Object.assign(registryOver(followed), { reload: () => followed.reload() });
}
