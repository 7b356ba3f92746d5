import { OpenBankingError } from '../errors.ts';
import type { Store, StoredRecord } from '../storage/store.ts';
import { type CheckpointLink, parseLink } from './line/checkpoint.ts';

const KIND = 'AuditCheckpoint';
const ID = 'last';
/** Each lost round means that another process has stored its checkpoint. */
const MAX_ROUNDS = 100;

/** The last checkpoint of all processes and hosts, in the store that they share. */
export class LastCheckpoint {
  readonly #store: Pick<Store, 'find' | 'putIfAbsent' | 'replace'>;

  constructor(store: Pick<Store, 'find' | 'putIfAbsent' | 'replace'>) {
    this.#store = store;
  }

  /** @throws ERR_STORAGE_UNAVAILABLE */
  async find(): Promise<CheckpointLink | undefined> {
    return linkOf(await this.#store.find(KIND, ID));
  }

  /**
   * Puts a new checkpoint behind the last one. `write` makes the checkpoint durable, after the link that it is given, and
   * runs again when another process was faster: the earlier checkpoint then stands in its file outside of the chain of
   * checkpoints.
   *
   * @throws ERR_STORAGE_UNAVAILABLE, and the errors of `write`
   */
  async advance(
    write: (after: CheckpointLink | undefined) => Promise<CheckpointLink>,
  ): Promise<CheckpointLink> {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const read = await this.#store.find(KIND, ID);
      const next = await write(linkOf(read));
      const isStored =
        read === undefined
          ? await this.#store.putIfAbsent(KIND, ID, { value: next })
          : await this.#store.replace(KIND, read, { value: next });
      if (isStored) return next;
    }
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'replace: the last checkpoint' });
  }
}

function linkOf(read: StoredRecord | undefined): CheckpointLink | undefined {
  if (read === undefined) return undefined;
  const link = parseLink(read.value);
  if (link === undefined)
    throw new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'find: the last checkpoint' });
  return link;
}
