import type { Clock } from '../../clock.ts';
import { PayloadEncryption } from '../../storage/record-protection.ts';
import type { PageRequest, RecordToStore, Store, StoredRecord } from '../../storage/store.ts';
import type { RegisteredClient } from './registered-client.ts';

/**
 * The endpoints know an `active` client only. `ending`: grants, tokens and consents of the client are being ended, and the
 * record goes last.
 */
export type ClientStatus = 'active' | 'awaiting-approval' | 'disabled' | 'ending';

/** The origin of a client: the bank, a registration of the TPP, or the first request of the TPP. */
export type ClientOrigin = 'bank' | 'registration' | 'first-sight';

/** The facts of a registration by the TPP itself. */
export interface RegistrationFacts {
  /** The statement profile that verified it. */
  readonly profile: string;
  /** Hashes of the registration access tokens that are good: the last one, and one before it that may still be in use. */
  readonly accessTokenHashes: readonly string[];
  /** The software of the statement, which a change cannot change. */
  readonly softwareId?: string | undefined;
  /** Members of the statement that every answer repeats. */
  readonly statement?: Readonly<Record<string, unknown>> | undefined;
}

/** A client of the store. */
export interface ClientRecord {
  readonly client: RegisteredClient;
  readonly status: ClientStatus;
  readonly origin: ClientOrigin;
  readonly createdAt: string;
  readonly changedAt: string;
  readonly registration?: RegistrationFacts | undefined;
}

/** A record with what the store needs to replace it. */
export interface FoundClient {
  readonly record: ClientRecord;
  readonly read: StoredRecord;
}

export interface ClientPage {
  readonly clients: readonly ClientRecord[];
  /** Where the next page begins; absent after the last. */
  readonly next?: string;
}

/** Which clients of the store: all, those of a TPP (its organizationIdentifier), or those of a status other than `active`. */
export type ClientSelection =
  | { readonly authorizationNumber: string }
  | { readonly status: Exclude<ClientStatus, 'active'> }
  | 'all';

const CLIENT = 'RegisteredClient';
const CHANGED = 'ChangedClient';
const ALL = Object.freeze({ all: 'yes' });
/** Longer than any process remembers a client that it does not read again. */
export const CHANGE_SECONDS = 900;

/** The records of clients in the store. Each has a MAC, so that a record of another program is refused. */
export class ClientRecords {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #encryption: PayloadEncryption;

  constructor({ store, clock, secret }: { store: Store; clock: Clock; secret: Buffer }) {
    this.#store = store;
    this.#clock = clock;
    this.#encryption = new PayloadEncryption(secret);
  }

  /** The record as the store has it now, not parsed: the text is the same while the client does not change. */
  async findText(clientId: string): Promise<StoredRecord | undefined> {
    return this.#store.find(CLIENT, clientId);
  }

  /** @throws ERR_STORAGE_UNAVAILABLE for a record that this server has not made */
  async find(clientId: string): Promise<FoundClient | undefined> {
    const read = await this.findText(clientId);
    return read === undefined ? undefined : { record: this.parsed(read), read };
  }

  parsed({ id, value }: StoredRecord): ClientRecord {
    return Object.freeze(this.#encryption.decrypt(value, boundTo(id)) as ClientRecord);
  }

  /** False when a client has the identifier. */
  create(record: ClientRecord): Promise<boolean> {
    return this.#store.putIfAbsent(CLIENT, record.client.client_id, this.#toStore(record));
  }

  /** True for one of many callers that read the same; every process reads the client anew within a second. */
  async replace({ read }: FoundClient, record: ClientRecord): Promise<boolean> {
    await this.#noteChange(read.id);
    return this.#store.replace(CLIENT, read, this.#toStore(record));
  }

  /** The last step of an end, whose steps before it have replaced the record. */
  async delete(clientId: string): Promise<void> {
    await this.#store.delete(CLIENT, clientId);
  }

  async page(selection: ClientSelection, page: PageRequest): Promise<ClientPage> {
    const [name, value] = indexOf(selection);
    const { records, next } = await this.#store.listPage(CLIENT, name, value, page);
    const clients = records.map((record) => this.parsed(record));
    return next === undefined ? { clients } : { clients, next };
  }

  /** How many clients a TPP has in the store, up to `most`. */
  count(authorizationNumber: string, most: number): Promise<number> {
    const [name, value] = indexOf({ authorizationNumber });
    return this.#store.count(CLIENT, name, value, most);
  }

  /** Clients that have changed, or are about to, in the last minutes. */
  async changed(): Promise<readonly string[]> {
    return (await this.#store.listByIndex(CHANGED, 'all', ALL.all)).map(({ id }) => id);
  }

  /** Before the change: a process that reads the old record after this note reads the client again. */
  async #noteChange(clientId: string): Promise<void> {
    const expiresAt = new Date(this.#clock.now().getTime() + CHANGE_SECONDS * 1000);
    await this.#store.put(CHANGED, clientId, { value: null, expiresAt, indexes: ALL });
  }

  #toStore(record: ClientRecord): RecordToStore {
    const { client, status } = record;
    return {
      value: this.#encryption.authenticate(record, boundTo(client.client_id)),
      indexes: {
        ...ALL,
        tpp: client.authorization_number,
        ...(status === 'active' ? {} : { status }),
      },
    };
  }
}

function indexOf(selection: ClientSelection): readonly [name: string, value: string] {
  if (selection === 'all') return ['all', ALL.all];
  return 'status' in selection ? ['status', selection.status] : ['tpp', selection.authorizationNumber];
}

function boundTo(clientId: string): string {
  return `${CLIENT}\0${clientId}`;
}
