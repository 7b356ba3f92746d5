import { type ErrorCode, type ErrorDetails, isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { type CheckedFile, type FollowedFile, followElsewhere } from '../../files/followed-file.ts';
import { type FollowedListOptions, openFollowedList } from '../../files/followed-list.ts';
import type { ListReader, ListSource } from '../../files/list-reader.ts';
import { PackedRecords } from '../../files/packed-records.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import { trustedListReader } from '../../trusted-lists/snapshot-reader.ts';
import { blockListReader } from '../../tpp/block-list/block-list.ts';
import { ebaRegisterReader } from '../../../tpp-registry/sources/eba/register-reader.ts';
import { ukDirectoryReader } from '../../../tpp-registry/sources/uk-directory/directory-reader.ts';
import { registryReader } from '../../../tpp-registry/registry-reader.ts';
import { clientListReader } from '../clients/client-list.ts';

/*
 * One process reads the lists for all workers, and sends each of them the packed records in pieces: no worker spends time on
 * a file, and no message is so long that its copy delays a request.
 */

type ListName = 'registry' | 'block-list' | 'clients' | 'trusted-lists' | 'eba-register' | 'uk-directory';
const READERS: Readonly<Record<ListName, ListReader>> = {
  registry: registryReader,
  'block-list': blockListReader,
  clients: clientListReader,
  'trusted-lists': trustedListReader,
  'eba-register': ebaRegisterReader,
  'uk-directory': ukDirectoryReader,
};

type Wanted = Pick<FollowedListOptions, 'source' | 'pollSeconds'> & { readonly name: ListName };
type ToPrimary = { readonly listId: number } & ({ readonly wanted: Wanted } | { readonly isReload: true });
type ToWorker = { readonly listId: number } & (
  | { readonly bytes: number }
  | { readonly piece: Uint8Array }
  | { readonly refusal: { readonly code: ErrorCode; readonly details: ErrorDetails[ErrorCode] } }
  | { readonly isBad: boolean }
);

/** Copied in 0.1 ms. */
const PIECE_BYTES = 262_144;

/** A worker, as far as lists are sent to it. */
interface Receiver {
  isConnected(): boolean;
  send(message: ToWorker, sent: (error: Error | null) => void): unknown;
}

interface Subscription {
  readonly receiver: Receiver;
  readonly listId: number;
  /** Resolves when all that was to be sent so far is sent. */
  sent: Promise<void>;
}

/** The lists of all workers, in the process that starts them. */
export class SharedLists {
  readonly #log: Log;
  readonly #lists = new Map<string, SharedList>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Answers a message of a worker; of other messages nothing. */
  async answer(receiver: Receiver, message: unknown): Promise<void> {
    if (typeof message !== 'object' || message === null || !('listId' in message)) return;
    const asked = message as ToPrimary;
    if ('wanted' in asked) {
      const key = JSON.stringify(asked.wanted);
      const list = this.#lists.get(key) ?? new SharedList(asked.wanted, this.#log);
      this.#lists.set(key, list);
      // The next worker that starts tries again.
      if (!(await list.subscribe(receiver, asked.listId))) this.#lists.delete(key);
    } else for (const list of this.#lists.values()) await list.reload(receiver, asked.listId);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lists.values()].map((list) => list.close()));
  }
}

class SharedList {
  readonly #opened: Promise<FollowedFile<PackedRecords>>;
  readonly #subscriptions = new Set<Subscription>();
  readonly #reader: ListReader;
  readonly #source: ListSource;
  #isBad = false;

  constructor({ name, ...options }: Wanted, log: Log) {
    this.#reader = READERS[name];
    this.#source = options.source;
    const noting: Log = {
      emit: (event, ...fields) => {
        if (event === `${name}.refused`) this.#isBad = true;
        if (event === `${name}.loaded`) this.#isBad = false;
        log.emit(event, ...fields);
      },
    };
    this.#opened = openFollowedList({
      ...options,
      name,
      reader: this.#reader,
      log: noting,
      onChange: async (records) => {
        for (const one of this.#subscriptions) this.#send(one, records);
        await Promise.all([...this.#subscriptions].map(({ sent }) => sent));
      },
    });
  }

  /** Sends the present copy and every later one. False when the list cannot be opened: the receiver is sent the refusal. */
  async subscribe(receiver: Receiver, listId: number): Promise<boolean> {
    try {
      const { current } = await this.#opened;
      const one: Subscription = { receiver, listId, sent: Promise.resolve() };
      this.#forgetEnded();
      this.#subscriptions.add(one);
      this.#send(one, current);
      return true;
    } catch (error) {
      const fault = [{ path: '', message: `cannot be read: ${String(error)}` }];
      const { code, details } = isRefusal(error) ? error : this.#reader.invalid(fault, this.#source);
      await sendTo(receiver, { listId, refusal: { code, details } });
      return false;
    }
  }

  /** Checks the file now, if it is that of the receiver, whose answer follows what was sent for it. */
  async reload(receiver: Receiver, listId: number): Promise<void> {
    const one = [...this.#subscriptions].find((each) => each.receiver === receiver && each.listId === listId);
    if (one === undefined) return;
    await (await this.#opened).reload();
    await one.sent;
    await sendTo(receiver, { listId, isBad: this.#isBad });
  }

  async close(): Promise<void> {
    await this.#opened.then(
      (followed) => followed.close(),
      () => undefined,
    );
  }

  /** Workers that end again and again would otherwise fill the memory while the list does not change. */
  #forgetEnded(): void {
    for (const one of this.#subscriptions) if (!one.receiver.isConnected()) this.#subscriptions.delete(one);
  }

  #send(one: Subscription, { packed }: PackedRecords): void {
    one.sent = one.sent.then(async () => {
      const { receiver, listId } = one;
      await sendTo(receiver, { listId, bytes: packed.byteLength });
      for (let at = 0; at < packed.byteLength; at += PIECE_BYTES) {
        const piece = new Uint8Array(packed, at, Math.min(PIECE_BYTES, packed.byteLength - at));
        await sendTo(receiver, { listId, piece });
      }
      if (!receiver.isConnected()) this.#subscriptions.delete(one);
    });
  }
}

/** Resolves when the message has left this process, or the worker is gone. */
function sendTo(receiver: Receiver, message: ToWorker): Promise<void> {
  return new Promise((resolve) => {
    if (!receiver.isConnected()) resolve();
    else receiver.send(message, () => resolve());
  });
}

/** The channel of a worker to the process that started it: `process`. */
type Channel = Pick<NodeJS.Process, 'on' | 'send' | 'connected'>;

/** The lists of a worker, which another process reads for it. */
export class ReceivedLists {
  readonly #channel: Channel;
  readonly #lists: ReceivedList[] = [];
  readonly #onMessage = (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('listId' in message)) return;
    const sent = message as ToWorker;
    this.#lists[sent.listId]?.take(sent);
  };

  constructor(channel: Channel = process) {
    this.#channel = channel;
    channel.on('message', this.#onMessage);
  }

  /** As `openFollowedList`. */
  readonly open = async (options: FollowedListOptions): Promise<FollowedFile<PackedRecords>> => {
    const { name, source, pollSeconds, onChange } = options;
    const listId = this.#lists.length;
    const ask = (message: ToPrimary) => {
      if (this.#channel.connected) this.#channel.send?.(message);
    };
    if (!isListName(name)) throw new TypeError(`no other process reads ${name}`);
    const list = new ReceivedList(source.file, onChange, () => ask({ listId, isReload: true }));
    this.#lists.push(list);
    ask({ listId, wanted: { name, source, ...(pollSeconds === undefined ? {} : { pollSeconds }) } });
    await list.opened;
    return list;
  };
}

class ReceivedList implements FollowedFile<PackedRecords>, CheckedFile {
  readonly file: string;
  isBad = false;
  readonly #onChange: FollowedListOptions['onChange'];
  readonly #askReload: () => void;
  readonly #reloads = new SingleFlight<boolean>();
  readonly #forget: () => void;
  readonly #first = Promise.withResolvers<void>();
  #current: PackedRecords | undefined;
  #arriving = new Uint8Array();
  #arrived = 0;
  /** Resolves when the copies that have arrived are in use. */
  #used: Promise<void> = Promise.resolve();
  #reloaded: (() => void) | undefined;

  constructor(file: string, onChange: FollowedListOptions['onChange'], askReload: () => void) {
    this.file = file;
    this.#onChange = onChange;
    this.#askReload = askReload;
    this.#forget = followElsewhere(this);
  }

  /** Resolves with the first copy; rejects with the refusal of the list. */
  get opened(): Promise<void> {
    return this.#first.promise;
  }

  get current(): PackedRecords {
    if (this.#current === undefined) throw new TypeError('the list has not arrived');
    return this.#current;
  }

  take(sent: ToWorker): void {
    if ('bytes' in sent) {
      this.#arriving = new Uint8Array(sent.bytes);
      this.#arrived = 0;
    } else if ('piece' in sent) {
      this.#arriving.set(sent.piece, this.#arrived);
      this.#arrived += sent.piece.length;
      if (this.#arrived === this.#arriving.length) this.#use(new PackedRecords(this.#arriving.buffer));
    } else if ('refusal' in sent) {
      const { code, details } = sent.refusal;
      this.#first.reject(new OpenBankingError(code, details));
    } else {
      this.isBad = sent.isBad;
      this.#reloaded?.();
    }
  }

  reload(): Promise<boolean> {
    return this.#reloads.run(async () => {
      const before = this.#current;
      const answered = new Promise<void>((resolve) => {
        this.#reloaded = resolve;
      });
      this.#askReload();
      await answered;
      await this.#used;
      return this.#current !== before;
    });
  }

  async close(): Promise<void> {
    this.#forget();
    await this.#used;
  }

  #use(records: PackedRecords): void {
    const isFirst = this.#current === undefined;
    this.#current = records;
    this.#first.resolve();
    if (!isFirst) this.#used = this.#used.then(() => this.#onChange?.(records));
  }
}

function isListName(name: string): name is ListName {
  return Object.hasOwn(READERS, name);
}
