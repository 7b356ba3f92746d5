import type { Clock } from '../../clock.ts';
import type { Log } from '../../events.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import type { Store } from '../../storage/store.ts';
import type { ClientRecords } from './client-records.ts';
import type { ClientFiles } from './client-source.ts';

export interface EndedClientsOptions {
  readonly files: Pick<ClientFiles, 'has' | 'follow'>;
  readonly store: Store;
  readonly records: Pick<ClientRecords, 'changed' | 'delete'>;
  /** Longest life of a grant and its tokens: the store remembers for as long that a client has ended. */
  readonly grantSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with each client that has ended, or may have changed. */
  readonly onChanged: (clientId: string) => void;
}

const ENDED = 'EndedClient';
const ALL = Object.freeze({ all: 'yes' });
/** How old the sets may be. */
const MAX_AGE_SECONDS = 0.5;
/** Ends that are stored at once: a file may drop most of its clients. */
const SHARED_AT_ONCE = 64;

/**
 * The clients that have ended, shared by all processes: a client of a file ends when its file no longer names it. A file that
 * names the client anew, at the start of a process or by a change, lifts the end.
 */
export class EndedClients {
  readonly #options: EndedClientsOptions;
  readonly #reading: Refreshable<ReadonlySet<string>>;
  /** Named by the files anew since the ended clients were read last. */
  readonly #named = new Set<string>();
  /** Whether all clients of the files count as named anew: until the ended ones are read first. */
  #isEachNamed = true;
  /** No longer named by the files, but not yet among the ended ones of the store. */
  readonly #unshared = new Set<string>();
  /** The ended clients of all processes, as read last. */
  #ended: ReadonlySet<string> = new Set();
  #isFailing = false;

  constructor(options: EndedClientsOptions) {
    this.#options = options;
    this.#reading = createRefreshable({
      clock: options.clock,
      coolDownSeconds: 0,
      read: () => this.#exchange(),
    });
    options.files.follow(({ added, removed }) => {
      for (const id of added) {
        this.#named.add(id);
        this.#unshared.delete(id);
      }
      for (const id of removed) {
        this.#named.delete(id);
        this.#unshared.add(id);
      }
      void this.refresh();
    });
  }

  has(clientId: string): boolean {
    return this.#ended.has(clientId) && !this.#isNamedAnew(clientId);
  }

  /** Whether an identifier was that of a client, and must not be that of another. */
  async wasClient(clientId: string): Promise<boolean> {
    return (await this.#options.store.find(ENDED, clientId)) !== undefined;
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async read(): Promise<void> {
    await this.#read(this.#unshared.size > 0 ? 0 : MAX_AGE_SECONDS);
  }

  /** Reads the ended clients now. A failure is one event; the next list of token status reads them again. */
  async refresh(): Promise<void> {
    try {
      await this.#read(0);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#options.log.emit('clients.unshared', { error });
      this.#isFailing = true;
    }
  }

  /**
   * Remembers that the identifier of a client of the store is used up. Its end needs no list: each process reads the record
   * of a client of the store, or that it has changed.
   */
  async retire(clientId: string): Promise<void> {
    await this.#options.store.put(ENDED, clientId, { value: null, expiresAt: this.#untilNoGrant() });
  }

  async #read(maxAgeSeconds: number): Promise<void> {
    const { value: ended } = await this.#reading.fresh(maxAgeSeconds);
    this.#ended = ended;
  }

  /** Stores the ends of this process, lifts those of clients that a file names anew, and reads all. */
  async #exchange(): Promise<ReadonlySet<string>> {
    const { store, records, onChanged } = this.#options;
    const removed = [...this.#unshared];
    while (removed.length > 0) {
      await Promise.all(removed.splice(-SHARED_AT_ONCE).map((clientId) => this.#share(clientId)));
    }
    const named = [...this.#named];
    const [listed, changed] = await Promise.all([
      store.listByIndex(ENDED, 'all', ALL.all),
      records.changed(),
    ]);
    const ended = new Set(listed.map(({ id }) => id));
    for (const clientId of ended) {
      if (!this.#isNamedAnew(clientId)) continue;
      ended.delete(clientId);
      await store.delete(ENDED, clientId);
    }
    for (const clientId of named) this.#named.delete(clientId);
    this.#isEachNamed = false;
    for (const clientId of [...ended, ...changed]) onChanged(clientId);
    return ended;
  }

  /** The end first: a client that is found no longer must not leave tokens behind. */
  async #share(clientId: string): Promise<void> {
    const { store, records } = this.#options;
    const expiresAt = this.#untilNoGrant();
    await store.put(ENDED, clientId, { value: null, expiresAt, indexes: ALL });
    await records.delete(clientId);
    this.#unshared.delete(clientId);
  }

  #isNamedAnew(clientId: string): boolean {
    return this.#named.has(clientId) || (this.#isEachNamed && this.#options.files.has(clientId));
  }

  #untilNoGrant(): Date {
    const { clock, grantSeconds } = this.#options;
    return new Date(clock.now().getTime() + grantSeconds * 1000);
  }
}
