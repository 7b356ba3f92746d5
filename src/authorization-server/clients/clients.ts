import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { PageRequest, Store } from '../../storage/store.ts';
import { findRegistrationProblems } from '../profiles/client-rules.ts';
import { findProfile, type Profiles } from '../profiles/profiles.ts';
import { type DeliveryMode, findCibaProblems } from './ciba-registration.ts';
import { findSchemaProblems } from './client-schema.ts';
import {
  CHANGE_SECONDS,
  type ClientPage,
  type ClientRecord,
  ClientRecords,
  type ClientSelection,
  type ClientStatus,
  type FoundClient,
} from './client-records.ts';
import type { ClientFiles } from './client-source.ts';
import { EndedClients } from './ended-clients.ts';
import type { RegisteredClient } from './registered-client.ts';

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

/** Ends what a client has: its grants, tokens, consents. Can be repeated. */
export type ClientEnder = (clientId: string) => Promise<void>;

const MAX_CACHED = 10_000;
/** Octets of JSON. The JSON of a client has 1 to 2 kB; with 20 keys in its metadata it has 10 kB or more. */
const MAX_CACHED_BYTES = 24 * 1024 * 1024;
/** Status changes that meet are rare: each of them reads the record again. */
const MAX_ATTEMPTS = 5;
const RESUMED_PAGE = 100;

/** The registered clients of the files and of the store, as a running server offers them to the bank. */
export type RegisteredClients = Pick<
  Clients,
  'find' | 'register' | 'end' | 'findRecord' | 'page' | 'approve' | 'disable' | 'enable'
>;

/** Finds a client by id in memory. */
export type ClientFinder = (clientId: string) => RegisteredClient | undefined;

interface CachedClient {
  /** The record as the store has it. */
  readonly text: unknown;
  /** Absent for a client that may do nothing. */
  readonly client: RegisteredClient | undefined;
}

/**
 * The registered clients: those of the files, and those of the store. A client that a file names cannot be replaced,
 * changed or ended through the store.
 *
 * A client ends when its file no longer names it, or by `end`. Every process that shares the store then refuses the
 * client and its tokens within seconds, also where another copy of the file still names it. A file that names the
 * client anew, at the start of a process or by a change, lifts the end.
 *
 * A client of the store is read from the store at each of its requests, and parsed when its record has changed.
 */
export class Clients {
  readonly #options: ClientsOptions;
  readonly #records: ClientRecords;
  readonly #ended: EndedClients;
  /** Clients of the store, by id. `finderOf` reads none of them again within the life of a note of change. */
  readonly #stored = new LRUCache<string, CachedClient>({
    max: MAX_CACHED,
    maxSize: MAX_CACHED_BYTES,
    sizeCalculation: ({ text }) => JSON.stringify(text).length,
    ttl: (CHANGE_SECONDS * 1000) / 2,
  });
  readonly #enders: ClientEnder[] = [];

  private constructor(options: ClientsOptions) {
    this.#options = options;
    this.#records = new ClientRecords(options);
    this.#ended = new EndedClients({
      ...options,
      records: this.#records,
      onChanged: (clientId) => void this.#stored.delete(clientId),
    });
  }

  /** Reads the ended clients first. A store that is away is read later. */
  static async open(options: ClientsOptions): Promise<Clients> {
    const clients = new Clients(options);
    await clients.#ended.refresh();
    return clients;
  }

  /** Adds a step of `end`, in the order of the calls. */
  endWith(ender: ClientEnder): void {
    this.#enders.push(ender);
  }

  /** A client that may act. @throws ERR_STORAGE_UNAVAILABLE */
  async find(clientId: string): Promise<RegisteredClient | undefined> {
    return this.#options.files.has(clientId) ? this.findNamed(clientId) : this.findStored(clientId);
  }

  /** A client that the files name. */
  findNamed(clientId: string): RegisteredClient | undefined {
    const named = this.#options.files.find(clientId);
    return named === undefined || this.#ended.has(clientId) ? undefined : named;
  }

  /**
   * Reads these clients now, and returns how each is found in memory.
   *
   * @throws ERR_STORAGE_UNAVAILABLE
   */
  async finderOf(clientIds: Iterable<string>): Promise<ClientFinder> {
    await this.#ended.read();
    const found = new Map<string, RegisteredClient>();
    await Promise.all(
      [...new Set(clientIds)].map(async (clientId) => {
        const client =
          this.#options.files.find(clientId) ??
          this.#stored.get(clientId)?.client ??
          (await this.findStored(clientId));
        if (client !== undefined && !this.#ended.has(clientId)) found.set(clientId, client);
      }),
    );
    return (clientId) => found.get(clientId);
  }

  /**
   * Adds a client of the bank to the store. Resolves when every process finds it.
   *
   * @throws ERR_CLIENT_REGISTRATION when a file or the store has a client of this id, or had one that ended, and for what the
   * schema of the clients of files or its profile forbids
   */
  async register(client: RegisteredClient): Promise<void> {
    await this.add({ client, status: 'active', origin: 'bank' });
  }

  /** As `register`, for any origin. */
  async add(record: Omit<ClientRecord, 'createdAt' | 'changedAt'>): Promise<ClientRecord> {
    const { client } = record;
    const { client_id: clientId } = client;
    for (const problem of findSchemaProblems(client)) throw refusal(clientId, problem);
    for (const problem of this.#problemsOf(client)) throw refusal(clientId, problem);
    if (this.#options.files.has(clientId)) throw refusal(clientId, 'a file names a client of this id');
    if (await this.#ended.wasClient(clientId)) throw refusal(clientId, 'the client of this id has ended');
    const at = this.#options.clock.now().toISOString();
    const created = Object.freeze({ ...record, createdAt: at, changedAt: at });
    if (!(await this.#records.create(created))) throw refusal(clientId, 'a client has this id');
    return created;
  }

  /** A client of the store, whatever its status; undefined for one that a file names. */
  async findRecord(clientId: string): Promise<ClientRecord | undefined> {
    return (await this.findToChange(clientId))?.record;
  }

  /** The same, for `change`. */
  async findToChange(clientId: string): Promise<FoundClient | undefined> {
    return this.#options.files.has(clientId) ? undefined : this.#records.find(clientId);
  }

  /**
   * Changes a client of the store: false when it has changed since it was read.
   *
   * @throws ERR_CLIENT_REGISTRATION as `register`
   */
  async change(
    found: FoundClient,
    change: Partial<Pick<ClientRecord, 'client' | 'status' | 'registration'>>,
  ): Promise<boolean> {
    const next = { ...found.record, ...change, changedAt: this.#options.clock.now().toISOString() };
    if (change.client !== undefined) {
      for (const problem of findSchemaProblems(change.client)) throw refusal(found.read.id, problem);
      for (const problem of this.#problemsOf(change.client)) throw refusal(found.read.id, problem);
    }
    const { client_id: clientId, authorization_number: authorizationNumber } = next.client;
    this.#stored.delete(clientId);
    if (!(await this.#records.replace(found, next))) return false;
    if (next.status !== found.record.status) {
      this.#options.log.emit('client.status', { clientId, authorizationNumber, outcome: next.status });
    }
    return true;
  }

  /** Clients of the store, a page at a time. */
  page(selection: ClientSelection, page: PageRequest): Promise<ClientPage> {
    return this.#records.page(selection, page);
  }

  /** How many clients a TPP has in the store, up to `most`. */
  count(authorizationNumber: string, most: number): Promise<number> {
    return this.#records.count(authorizationNumber, most);
  }

  /** Clients of a TPP that files name, of any competent authority (NCA). */
  namedOfTpp(authorizationNumber: string, limit: number): readonly RegisteredClient[] {
    return this.#options.files.listOfTpp(authorizationNumber, limit);
  }

  /** Lets a client act that waits for the approval of the bank. @throws ERR_CLIENT_REGISTRATION */
  approve(clientId: string): Promise<void> {
    return this.#setStatus(clientId, 'awaiting-approval', 'active');
  }

  /** A client that is disabled may do nothing, and keeps what it has. @throws ERR_CLIENT_REGISTRATION */
  disable(clientId: string): Promise<void> {
    return this.#setStatus(clientId, 'active', 'disabled');
  }

  /** @throws ERR_CLIENT_REGISTRATION */
  enable(clientId: string): Promise<void> {
    return this.#setStatus(clientId, 'disabled', 'active');
  }

  /**
   * Ends a client of the store with every grant, token and consent. From the first step on no process finds it; its tokens
   * are refused within seconds. An end that breaks off can be repeated, and is at the next start of a process.
   *
   * @throws ERR_CLIENT_REGISTRATION when a file names it
   */
  async end(clientId: string): Promise<void> {
    if (this.#options.files.has(clientId)) throw refusal(clientId, 'a file names the client');
    await this.#setStatus(clientId, undefined, 'ending');
    const found = await this.#records.find(clientId);
    if (found !== undefined) await this.#finishEnd(found.record);
  }

  /** Finishes the ends that broke off. */
  async resumeEnds(): Promise<void> {
    for (;;) {
      const { clients } = await this.#records.page({ status: 'ending' }, { limit: RESUMED_PAGE });
      if (clients.length === 0) return;
      // A client that has ended is in no page.
      for (const record of clients) await this.#finishEnd(record);
    }
  }

  close(): Promise<void> {
    return this.#options.files.close();
  }

  /** A client of the store that may act. Undefined for a client that a file names, also before the provider has it. */
  async findStored(clientId: string): Promise<RegisteredClient | undefined> {
    if (this.#options.files.has(clientId) || this.#ended.has(clientId)) return undefined;
    const read = await this.#records.findText(clientId);
    if (read === undefined) return undefined;
    const known = this.#stored.get(clientId);
    if (known?.text === read.value) return known?.client;
    const { client, status } = this.#records.parsed(read);
    const mayAct = status === 'active' && this.#problemsOf(client).length === 0;
    const cached = { text: read.value, client: mayAct ? Object.freeze(client) : undefined };
    this.#stored.set(clientId, cached);
    return cached.client;
  }

  async #finishEnd({ client: { client_id: clientId }, origin }: ClientRecord): Promise<void> {
    for (const ender of this.#enders) await ender(clientId);
    // The identifiers of registrations are random: none comes twice.
    if (origin !== 'registration') await this.#ended.retire(clientId);
    await this.#records.delete(clientId);
  }

  async #setStatus(clientId: string, from: ClientStatus | undefined, to: ClientStatus): Promise<void> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const found = await this.findToChange(clientId);
      if (found === undefined && from === undefined) return;
      const status = found?.record.status;
      if (status === to) return;
      if (found === undefined || status === 'ending') throw refusal(clientId, 'the store has no such client');
      if (from !== undefined && status !== from) throw refusal(clientId, `the client is ${status}`);
      if (await this.change(found, { status: to })) return;
    }
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'replace: the client changes' });
  }

  #problemsOf(client: RegisteredClient): readonly string[] {
    const { profiles, deliveryModes } = this.#options;
    const profile = findProfile(client, profiles);
    if (profile === undefined) return [`profile: ${client.profile} is not allowed by this server`];
    const ofProfile = findRegistrationProblems(profile, client);
    const problems = ofProfile.concat(findCibaProblems(client, deliveryModes));
    return problems.map(({ path, message }) => `${path} ${message}`);
  }
}

function refusal(clientId: string, problem: string): OpenBankingError<'ERR_CLIENT_REGISTRATION'> {
  return new OpenBankingError('ERR_CLIENT_REGISTRATION', { clientId, problem });
}
