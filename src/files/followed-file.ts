import { readFile, stat } from 'node:fs/promises';
import { isRefusal, type OpenBankingError } from '../errors.ts';
import type { EventName, Log } from '../events.ts';
import { BackgroundLoop } from '../remote/background-loop.ts';
import { SingleFlight } from '../remote/single-flight.ts';
import { assertUnexposed, type PrivateFile } from './private-files.ts';

type FollowedName = EventName extends infer Name
  ? Name extends `${infer File}.loaded`
    ? File
    : never
  : never;

export interface FollowedSourceOptions<T> {
  readonly file: string;
  /** Read together with the file; a change of either replaces the content. */
  readonly secondFile?: string;
  /** The one of the files that holds a secret: a changed copy that every user of the machine may read is bad. */
  readonly privateFile?: PrivateFile;
  /**
   * Reads the file; throws a refusal when the content is bad, with a cause when the file cannot be read. Called for every changed
   * copy; the result replaces the last one as a whole.
   */
  readonly load: (closing: AbortSignal) => Promise<T>;
  /** Names the events: `registry` for `registry.loaded` and `registry.refused`. */
  readonly name: FollowedName;
  /** Number of entries of a copy, for the log. */
  readonly count?: (value: T) => number;
  readonly log: Log;
  /** Interval of polls. Default 5. A change is in use after the second poll at the latest. */
  readonly pollSeconds?: number | undefined;
  /** Called after another copy is in use. The next copy is read after its end. */
  readonly onChange?: (value: T) => void | Promise<void>;
}

export interface FollowedFileOptions<T> extends Omit<FollowedSourceOptions<T>, 'load'> {
  /** Reads the whole content; throws a refusal when the content is bad. */
  readonly parse: (content: string, second: string) => T | Promise<T>;
  /** The refusal for a file that is missing or may not be read. */
  readonly unreadable: (cause: NodeJS.ErrnoException) => OpenBankingError;
}

/** The content of a file that is read again when it changes. */
export interface FollowedFile<T> {
  /** The last good copy. */
  readonly current: T;
  /** Whether the last changed copy was refused. */
  readonly isBad: boolean;
  /** Checks the file now: true when a new copy is in use. Never throws; a bad file is logged. */
  reload(): Promise<boolean>;
  /** Stops the polls. Afterwards no other copy comes into use. */
  close(): Promise<void>;
}

const POLL_SECONDS = 5;

/** A followed file, whatever it holds. */
export interface CheckedFile {
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
export function openFollowedFile<T>(options: FollowedFileOptions<T>): Promise<FollowedFile<T>> {
  return openFollowedSource({ ...options, load: () => read(options) });
}

/**
 * As `openFollowedFile`, for a file that `load` reads.
 *
 * @throws the refusals of `load` when the first copy is missing or bad
 */
export async function openFollowedSource<T>(options: FollowedSourceOptions<T>): Promise<FollowedFile<T>> {
  const closing = new AbortController();
  const seen = await versionOf(options);
  return new PolledFile(options, { seen, closing, current: await options.load(closing.signal) });
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

/** Makes `reloadFollowedFiles` check a file that another process reads, until the returned function is called. */
export function followElsewhere(file: CheckedFile): () => void {
  FOLLOWED.add(file);
  return () => void FOLLOWED.delete(file);
}

class PolledFile<T> implements FollowedFile<T>, CheckedFile {
  current: T;
  isBad = false;
  readonly #options: FollowedSourceOptions<T>;
  readonly #closing: AbortController;
  readonly #reloads = new SingleFlight<boolean>();
  readonly #polls: BackgroundLoop;
  #seen: string;
  /** The version that the last poll found; another poll must find it too, since an editor may still be writing. */
  #changing: string | undefined;

  constructor(
    options: FollowedSourceOptions<T>,
    first: { readonly seen: string; readonly closing: AbortController; readonly current: T },
  ) {
    this.#options = options;
    this.#closing = first.closing;
    this.#seen = first.seen;
    this.current = first.current;
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
      const version = await versionOf(this.#options);
      return version === this.#seen ? false : this.#replace(version);
    });
  }

  async close(): Promise<void> {
    FOLLOWED.delete(this);
    this.#closing.abort(new Error('the file is followed no longer'));
    await this.#polls.close();
    await this.#reloads.settled();
  }

  async #poll(): Promise<void> {
    const version = await versionOf(this.#options);
    if (version !== this.#seen && version === this.#changing) await this.reload();
    this.#changing = version;
  }

  async #replace(version: string): Promise<boolean> {
    const { file, log, name, load, onChange, privateFile } = this.#options;
    const { signal } = this.#closing;
    try {
      if (privateFile !== undefined) assertUnexposed(privateFile);
      const next = await load(signal);
      if (signal.aborted) return false;
      this.current = next;
    } catch (error) {
      if (signal.aborted) return false;
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
    await onChange?.(this.current);
    return true;
  }

  #logLoaded(): void {
    const { file, log, name, count } = this.#options;
    log.emit(`${name}.loaded`, { file, ...(count === undefined ? {} : { count: count(this.current) }) });
  }
}

async function read<T>(options: FollowedFileOptions<T>): Promise<T> {
  const { parse, unreadable } = options;
  const contents = filesOf(options).map((file) => readFile(file, 'utf8'));
  const [content = '', second = ''] = await Promise.all(contents).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(cause);
  });
  return parse(content, second);
}

function filesOf({ file, secondFile }: { readonly file: string; readonly secondFile?: string }): string[] {
  return secondFile === undefined ? [file] : [file, secondFile];
}

function problemsOf(error: unknown): readonly { readonly path: string; readonly message: string }[] {
  return isRefusal(error, 'ERR_REGISTRY_INVALID', 'ERR_BLOCK_LIST_INVALID', 'ERR_CONFIG_INVALID')
    ? error.details.problems
    : [];
}

/** Changes whenever the content may have. */
async function versionOf(options: { readonly file: string; readonly secondFile?: string }): Promise<string> {
  return (await Promise.all(filesOf(options).map(oneVersion))).join();
}

/** `missing` when there is no file. */
async function oneVersion(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    return 'missing';
  }
}
