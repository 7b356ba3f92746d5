import { OpenBankingError } from '../errors.ts';
import type { Store, StoredRecord } from '../storage/store.ts';
import { type CheckpointLink, parseLink } from './line/checkpoint.ts';

const KIND = 'AuditCheckpoint';
const ID = 'last';
/** Each lost round means that another process has stored its checkpoint. */
const MAX_ROUNDS = 100;

/** The checkpoints that a new one names. */
export interface Predecessors {
  /** The last one of the store. */
  readonly after: CheckpointLink | undefined;
  /** A later one, of which the store knows no more: the store was restored from a copy. */
  readonly seen?: CheckpointLink | undefined;
}

/** The last checkpoint of all processes and hosts, in the store that they share. */
export class LastCheckpoint {
  readonly #store: Pick<Store, 'find' | 'putIfAbsent' | 'replace'>;
  #findNewest: (() => Promise<CheckpointLink | undefined>) | undefined;
  /** The newest checkpoint that this process has found in the record, or has written. */
  #newest: CheckpointLink | undefined;

  /** `findNewest` finds the newest checkpoint of the record itself; called once. */
  constructor(
    store: Pick<Store, 'find' | 'putIfAbsent' | 'replace'>,
    findNewest?: () => Promise<CheckpointLink | undefined>,
  ) {
    this.#store = store;
    this.#findNewest = findNewest;
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async find(): Promise<CheckpointLink | undefined> {
    return linkOf(await this.#store.find(KIND, ID));
  }

  /**
   * Puts a new checkpoint behind the last one. `write` makes the checkpoint durable, after those that it is given, and
   * runs again when another process was faster: the earlier checkpoint then stands in its file outside of the chain of
   * checkpoints.
   *
   * @throws ERR_STORAGE_UNAVAILABLE, and the errors of `write`
   */
  async advance(write: (before: Predecessors) => Promise<CheckpointLink>): Promise<CheckpointLink> {
    if (this.#findNewest !== undefined) {
      this.#newest = await this.#findNewest();
      this.#findNewest = undefined;
    }
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const read = await this.#store.find(KIND, ID);
      const next = await write(this.#predecessors(linkOf(read)));
      const isStored =
        read === undefined
          ? await this.#store.putIfAbsent(KIND, ID, { value: next })
          : await this.#store.replace(KIND, read, { value: next });
      if (!isStored) continue;
      this.#newest = next;
      return next;
    }
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'replace: the last checkpoint' });
  }

  #predecessors(after: CheckpointLink | undefined): Predecessors {
    const newest = this.#newest;
    if (newest === undefined || newest.number < (after?.number ?? 0) || newest.hash === after?.hash)
      return { after };
    return { after, seen: newest };
  }
}

function linkOf(read: StoredRecord | undefined): CheckpointLink | undefined {
  if (read === undefined) return undefined;
  const link = parseLink(read.value);
  if (link === undefined)
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'find: the last checkpoint' });
  return link;
}
