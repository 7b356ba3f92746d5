import type { Clock } from '../clock.ts';
import type { KeptFolder } from './kept-folder.ts';
import { createRefreshable, type Refreshable } from './refreshable.ts';

export interface KeptDocumentOptions<T> {
  readonly clock: Clock;
  /** How long the source gets no request after a failure. */
  readonly coolDownSeconds: number;
  readonly folder: KeptFolder;
  /** The file of the copy, from `keptName`. */
  readonly name: string;
  readonly fetch: () => Promise<Buffer>;
  /** Reads and proves the bytes; throws when they prove nothing. Runs for fetched bytes and for the copy alike. */
  readonly parse: (bytes: Buffer) => Promise<T>;
  /** Throws when a fetched document must not replace the one before it, such as an older one. */
  readonly assertSuccessor: (next: T, before: T) => void;
  /** Whether the last document may still be used when no new one can be had. */
  readonly isUsable: (last: T) => boolean;
  /** Called when the copy on disk cannot be parsed. The document is then fetched. */
  readonly onCopyRefused: (error: unknown) => void;
  /** Called each time that the last document is used because no new one can be had. */
  readonly onNotRenewed: (error: unknown) => void;
}

/** A signed document of a remote source, kept in memory and, over a restart, on disk: a CRL, a trusted list. */
export class KeptDocument<T> {
  readonly #options: KeptDocumentOptions<T>;
  readonly #copy: Promise<T | undefined>;
  readonly #fetched: Refreshable<T>;

  constructor(options: KeptDocumentOptions<T>) {
    const { clock, coolDownSeconds } = options;
    this.#options = options;
    this.#copy = this.#parsedCopy();
    this.#fetched = createRefreshable({ clock, coolDownSeconds, read: () => this.#fetchNext() });
  }

  /**
   * The document, fetched again when it was fetched longer ago than `maxAgeSeconds`. When that fails, the last
   * document while it is usable.
   *
   * @throws what `fetch`, `parse` or `assertSuccessor` threw, when no usable document is left
   */
  async current(maxAgeSeconds: number): Promise<T> {
    try {
      return (await this.#fetched.fresh(maxAgeSeconds)).value;
    } catch (error) {
      const last = await this.recall();
      if (last === undefined || !this.#options.isUsable(last)) throw error;
      this.#options.onNotRenewed(error);
      return last;
    }
  }

  /** The last document, from memory or from the copy on disk, however old. Sends no request. */
  async recall(): Promise<T | undefined> {
    return this.inMemory ?? (await this.#copy);
  }

  /** The document that was fetched last by this process. */
  get inMemory(): T | undefined {
    return this.#fetched.last?.value;
  }

  async #parsedCopy(): Promise<T | undefined> {
    const { folder, name, parse, onCopyRefused } = this.#options;
    const bytes = await folder.load(name);
    if (bytes === undefined) return undefined;
    try {
      return await parse(bytes);
    } catch (error) {
      onCopyRefused(error);
      return undefined;
    }
  }

  async #fetchNext(): Promise<T> {
    const { folder, name, fetch, parse, assertSuccessor } = this.#options;
    const bytes = await fetch();
    const next = await parse(bytes);
    const before = await this.recall();
    if (before !== undefined) assertSuccessor(next, before);
    await folder.keep(name, bytes);
    return next;
  }
}
