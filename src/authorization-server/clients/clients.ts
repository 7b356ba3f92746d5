import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { createRefreshable, type Refreshable } from '../../remote/refreshable.ts';
import type { Store } from '../../storage/store.ts';
import { PayloadEncryption } from '../../storage/record-protection.ts';
import { findRegistrationProblems } from '../profiles/client-rules.ts';
import { findProfile, type Profiles } from '../profiles/profiles.ts';
import { type DeliveryMode, findCibaProblems } from './ciba-registration.ts';
import { findRedirectUriProblem } from './redirect-uri.ts';
import type { RegisteredClient } from './registered-client.ts';

/** The clients that files name, as the files are at the moment. */
export interface ClientFiles {
  /** The same object while the client is in use and its registration does not change. */
  find(clientId: string): RegisteredClient | undefined;
  has(clientId: string): boolean;
  /** Calls `take` when other clients are in use. */
  follow(take: (change: ClientChange) => void): void;
  close(): Promise<void>;
}

/** Identifiers that the files name now and did not before, and the other way round. */
export interface ClientChange {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface ClientsOptions {
  readonly files: ClientFiles;
  readonly store: Store;
  /** Keys the MAC of each record: a record that another program wrote is refused. */
  readonly secret: Buffer;
  /** Profiles that clients may have. A client of the store that breaks the rules of its profile is not found. */
  readonly profiles: Profiles;
  /** Ways of CIBA that clients may have. Absent: CIBA is off. */
  readonly deliveryModes?: readonly DeliveryMode[] | undefined;
  /** Longest life of a grant and its tokens: the store remembers for as long that a client has ended. */
  readonly grantSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
}

const CLIENT = 'RegisteredClient';
const ENDED = 'EndedClient';
const ALL = Object.freeze({ all: 'yes' });
/** How old the set of ended clients may be. */
const MAX_AGE_SECONDS = 0.5;
const MAX_CACHED = 10_000;
/** Ends that are stored at once: a file may drop most of its clients. */
const SHARED_AT_ONCE = 64;

/** The registered clients of the files and of the store, as a running server offers them to the bank. */
export type RegisteredClients = Pick<Clients, 'find' | 'register' | 'end'>;

/** Finds a client by id in memory. */
export type ClientFinder = (clientId: string) => RegisteredClient | undefined;

/**
 * The registered clients: those of the files, and those of the store. A client that a file names cannot be replaced,
 * changed or ended through the store.
 *
 * A client ends when its file no longer names it, or by `end`. Every process that shares the store then refuses the
 * client and its tokens within seconds, also where another copy of the file still names it. A file that names the
 * client anew, at the start of a process or by a change, lifts the end.
 */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #encryption: PayloadEncryption;
  readonly #reading: Refreshable<ReadonlySet<string>>;
  /** Clients of the store, by id. A record never changes: the store has it until its client ends. */
  readonly #stored = new LRUCache<string, RegisteredClient>({ max: MAX_CACHED });
  /** Named by the files anew since the ended clients were read last. */
  readonly #named = new Set<string>();
  /** Whether all clients of the files count as named anew: until the ended ones are read first. */
  #isEachNamed = true;
  /** No longer named by the files, but not yet among the ended ones of the store. */
  readonly #unshared = new Set<string>();
  /** The ended clients of all processes, as read last. */
  #ended: ReadonlySet<string> = new Set();
  #isFailing = false;

  private constructor(options: ClientsOptions) {
    this.#options = options;
    this.#encryption = new PayloadEncryption(options.secret);
    this.#reading = createRefreshable({
      clock: options.clock,
      coolDownSeconds: 0,
      read: () => this.#exchangeEnded(),
    });
    options.files.follow((change) => this.#takeChange(change));
  }

  /** Reads the ended clients first. A store that is away is read later. */
  static async open(options: ClientsOptions): Promise<Clients> {
    const clients = new Clients(options);
    await clients.#refresh();
    return clients;
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async find(clientId: string): Promise<RegisteredClient | undefined> {
    return this.#options.files.has(clientId) ? this.findNamed(clientId) : this.findStored(clientId);
  }

  /** A client that the files name. */
  findNamed(clientId: string): RegisteredClient | undefined {
    const named = this.#options.files.find(clientId);
    return named === undefined || this.#isEnded(clientId) ? undefined : named;
  }

  /**
   * Reads these clients now, and returns how each is found in memory.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async finderOf(clientIds: Iterable<string>): Promise<ClientFinder> {
    await this.#readEnded(this.#unshared.size > 0 ? 0 : MAX_AGE_SECONDS);
    const found = new Map<string, RegisteredClient>();
    await Promise.all(
      [...new Set(clientIds)].map(async (clientId) => {
        const client =
          this.#options.files.find(clientId) ??
          this.#stored.get(clientId) ??
          (await this.findStored(clientId));
        if (client !== undefined && !this.#isEnded(clientId)) found.set(clientId, client);
      }),
    );
    return (clientId) => found.get(clientId);
  }

  /**
   * Adds a client to the store. Resolves when every process finds it.
   *
   * @throws ERR_CLIENT_REGISTRATION when a file or the store has a client of this id, or had one that ended, for a redirect
   * URI that no client may have, and for what its profile forbids
   */
  async register(client: RegisteredClient): Promise<void> {
    const { files, store } = this.#options;
    const { client_id: clientId } = client;
    const refusal = (problem: string) =>
      new OpenBankingError('ERR_CLIENT_REGISTRATION', { clientId, problem });
    for (const uri of client.redirect_uris) {
      const problem = findRedirectUriProblem(uri);
      if (problem !== undefined) throw refusal(`redirect_uris: ${problem}`);
    }
    const [broken] = this.#problemsOf(client);
    if (broken !== undefined) throw refusal(broken);
    if (files.has(clientId)) throw refusal('a file names a client of this id');
    if ((await store.find(ENDED, clientId)) !== undefined) throw refusal('the client of this id has ended');
    const value = this.#encryption.authenticate(client, boundTo(clientId));
    if (!(await store.putIfAbsent(CLIENT, clientId, { value }))) throw refusal('a client has this id');
  }

  /**
   * Ends a client of the store. Resolves when no process finds it any more; its tokens are refused within seconds.
   *
   * @throws ERR_CLIENT_REGISTRATION when a file names it
   */
  async end(clientId: string): Promise<void> {
    if (this.#options.files.has(clientId)) {
      throw new OpenBankingError('ERR_CLIENT_REGISTRATION', { clientId, problem: 'a file names the client' });
    }
    await this.#share(clientId);
    await this.#readEnded(0);
  }

  close(): Promise<void> {
    return this.#options.files.close();
  }

  /** A client of the store. Undefined for a client that a file names, also before the provider has it. */
  async findStored(clientId: string): Promise<RegisteredClient | undefined> {
    if (this.#options.files.has(clientId) || this.#isEnded(clientId)) return undefined;
    const record = await this.#options.store.find(CLIENT, clientId);
    if (record === undefined) return undefined;
    const client = this.#encryption.decrypt(record.value, boundTo(clientId)) as RegisteredClient;
    if (this.#problemsOf(client).length > 0) return undefined;
    this.#stored.set(clientId, client);
    return client;
  }

  #problemsOf(client: RegisteredClient): readonly string[] {
    const profile = findProfile(client, this.#options.profiles);
    if (profile === undefined) return [`profile: ${client.profile} is not allowed by this server`];
    const { deliveryModes } = this.#options;
    const problems = [
      ...findRegistrationProblems(profile, client),
      ...findCibaProblems(client, deliveryModes),
    ];
    return problems.map(({ path, message }) => `${path} ${message}`);
  }

  #isEnded(clientId: string): boolean {
    return this.#ended.has(clientId) && !this.#isNamedAnew(clientId);
  }

  #isNamedAnew(clientId: string): boolean {
    return this.#named.has(clientId) || (this.#isEachNamed && this.#options.files.has(clientId));
  }

  #takeChange({ added, removed }: ClientChange): void {
    for (const id of added) {
      this.#named.add(id);
      this.#unshared.delete(id);
    }
    for (const id of removed) {
      this.#named.delete(id);
      this.#unshared.add(id);
    }
    void this.#refresh();
  }

  /** Reads the ended clients now. A failure is one event; the next list of token status reads them again. */
  async #refresh(): Promise<void> {
    try {
      await this.#readEnded(0);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#options.log.emit('clients.unshared', { error });
      this.#isFailing = true;
    }
  }

  async #readEnded(maxAgeSeconds: number): Promise<void> {
    const { value: ended } = await this.#reading.fresh(maxAgeSeconds);
    if (ended === this.#ended) return;
    const changed = ended.symmetricDifference(this.#ended);
    this.#ended = ended;
    if (changed.size === 0) return;
    for (const clientId of ended) this.#stored.delete(clientId);
  }

  /** Stores the ends of this process, lifts those of clients that a file names anew, and reads all. */
  async #exchangeEnded(): Promise<ReadonlySet<string>> {
    const { store } = this.#options;
    const removed = [...this.#unshared];
    while (removed.length > 0) {
      await Promise.all(removed.splice(-SHARED_AT_ONCE).map((clientId) => this.#share(clientId)));
    }
    const named = [...this.#named];
    const ended = new Set((await store.listByIndex(ENDED, 'all', ALL.all)).map(({ id }) => id));
    for (const clientId of ended) {
      if (!this.#isNamedAnew(clientId)) continue;
      ended.delete(clientId);
      await store.delete(ENDED, clientId);
    }
    for (const clientId of named) this.#named.delete(clientId);
    this.#isEachNamed = false;
    return ended;
  }

  /** The end first: a client that is found no longer must not leave tokens behind. */
  async #share(clientId: string): Promise<void> {
    const { store, clock, grantSeconds } = this.#options;
    const expiresAt = new Date(clock.now().getTime() + grantSeconds * 1000);
    await store.put(ENDED, clientId, { value: null, expiresAt, indexes: ALL });
    await store.delete(CLIENT, clientId);
    this.#unshared.delete(clientId);
  }
}

function boundTo(clientId: string): string {
  return `${CLIENT}\0${clientId}`;
}
