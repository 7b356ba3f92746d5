import { readFile, stat } from 'node:fs/promises';
import { isRefusal, type OpenBankingError } from '../errors.ts';
import type { EventName, Log } from '../events.ts';
import { BackgroundLoop } from '../remote/background-loop.ts';
import { SingleFlight } from '../remote/single-flight.ts';

type FollowedName = EventName extends infer Name
  ? Name extends `${infer File}.loaded`
    ? File
    : never
  : never;

export interface FollowedFileOptions<T> {
  readonly file: string;
  /**
   * Reads the whole content; throws a refusal when the content is bad. Called for every changed copy; the result
   * replaces the last one as a whole.
   */
  readonly parse: (content: string) => T | Promise<T>;
  /** The refusal for a file that is missing or may not be read. */
  readonly unreadable: (cause: NodeJS.ErrnoException) => OpenBankingError;
  /** Names the events: `registry` for `registry.loaded` and `registry.refused`. */
  readonly name: FollowedName;
  /** Number of entries of a copy, for the log. */
  readonly count?: (value: T) => number;
  readonly log: Log;
  /** Interval of polls. Default 5. A change is in use after the second poll at the latest. */
  readonly pollSeconds?: number | undefined;
  /** Called after another copy is in use. */
  readonly onChange?: (value: T) => void;
}

/** The content of a file that is read again when it changes. */
export interface FollowedFile<T> {
  /** The last good copy. */
  readonly current: T;
  /** Checks the file now: true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean>;
  /** Stops the polls. Afterwards no other copy comes into use. */
  close(): Promise<void>;
}

const POLL_SECONDS = 5;
/** A followed file, whatever it holds. */
interface CheckedFile {
  readonly file: string;
  readonly isBad: boolean;
  reload(): Promise<boolean>;
}

/** Every file that this process follows. */
const FOLLOWED = new Set<CheckedFile>();

/**
 * Opens a file that is read again when it changes, by an editor, a rename or a switched link. A new copy replaces
 * the old one as a whole; a bad copy is logged with every problem, and the last good copy stays.
 *
 * @throws the refusals of `parse` and `unreadable` when the first copy is missing or bad
 */
export async function openFollowedFile<T>(options: FollowedFileOptions<T>): Promise<FollowedFile<T>> {
  const seen = await versionOf(options.file);
  return new PolledFile(options, seen, await read(options));
}

/** Checks every followed file of this process now: the names of those with a new copy in use, and of bad ones. */
export async function reloadFollowedFiles(): Promise<{
  readonly changed: readonly string[];
  readonly bad: readonly string[];
}> {
  const files = [...FOLLOWED];
  const isChanged = await Promise.all(files.map((one) => one.reload()));
  return {
    changed: files.filter((_, at) => isChanged[at]).map(({ file }) => file),
    bad: files.filter(({ isBad }) => isBad).map(({ file }) => file),
  };
}

class PolledFile<T> implements FollowedFile<T>, CheckedFile {
  current: T;
  /** Whether the last changed copy was refused. */
  isBad = false;
  readonly #options: FollowedFileOptions<T>;
  readonly #reloads = new SingleFlight<boolean>();
  readonly #polls: BackgroundLoop;
  #seen: string;
  /** The version that the last poll found; another poll must find it too, since an editor may still be writing. */
  #changing: string | undefined;

  constructor(options: FollowedFileOptions<T>, seen: string, current: T) {
    this.#options = options;
    this.#seen = seen;
    this.current = current;
    this.#logLoaded();
    const seconds = options.pollSeconds ?? POLL_SECONDS;
    this.#polls = new BackgroundLoop(seconds, async () => {
      await this.#poll();
      return seconds;
    });
    FOLLOWED.add(this);
  }

  get file(): string {
    return this.#options.file;
  }

  reload(): Promise<boolean> {
    return this.#reloads.run(async () => {
      const version = await versionOf(this.#options.file);
      return version === this.#seen ? false : this.#replace(version);
    });
  }

  async close(): Promise<void> {
    FOLLOWED.delete(this);
    await this.#polls.close();
    await this.#reloads.settled();
  }

  async #poll(): Promise<void> {
    const version = await versionOf(this.#options.file);
    if (version !== this.#seen && version === this.#changing) await this.reload();
    this.#changing = version;
  }

  async #replace(version: string): Promise<boolean> {
    const { file, log, name, onChange } = this.#options;
    try {
      this.current = await read(this.#options);
    } catch (error) {
      this.isBad = true;
      const isFault = isRefusal(error) && error.cause !== undefined;
      // A file that cannot be read is tried again; a bad one stays refused until it changes.
      if (!isFault) this.#seen = version;
      log.emit(`${name}.refused`, { file, problems: problemsOf(error), error });
      return false;
    }
    this.#seen = version;
    this.isBad = false;
    this.#logLoaded();
    onChange?.(this.current);
    return true;
  }

  #logLoaded(): void {
    const { file, log, name, count } = this.#options;
    log.emit(`${name}.loaded`, { file, ...(count === undefined ? {} : { count: count(this.current) }) });
  }
}

async function read<T>({ file, parse, unreadable }: FollowedFileOptions<T>): Promise<T> {
  const content = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(cause);
  });
  return parse(content);
}

function problemsOf(error: unknown): readonly { readonly path: string; readonly message: string }[] {
  return isRefusal(error, 'ERR_REGISTRY_INVALID', 'ERR_BLOCK_LIST_INVALID', 'ERR_CONFIG_INVALID')
    ? error.details.problems
    : [];
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
