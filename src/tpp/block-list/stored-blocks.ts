import { createHash } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import { BackgroundLoop } from '../../remote/background-loop.ts';
import type { RecordToStore, Store, StoredRecord } from '../../storage/store.ts';
import type { Block } from './block.ts';
import { type BlockList, type BlockSubject, createBlockList } from './block-list.ts';

/** A block that an operator made. */
export interface StoredBlock {
  /** Of the object: there is one block for one TPP or certificate. */
  readonly blockId: string;
  readonly block: Block;
  /** The name of the operator. */
  readonly by: string;
  /** Absent: until the block is lifted. */
  readonly until?: Date | undefined;
}

export interface StoredBlocksOptions {
  readonly clock: Clock;
  readonly log: Log;
}

interface Kept {
  readonly block: Block & { readonly since: string };
  readonly by: string;
  readonly until?: string;
}

const KIND = 'Block';
const VERSION = 'BlocksVersion';
const ALL = Object.freeze({ all: 'yes' });
/** A block counts in every process within a second. */
const POLL_SECONDS = 0.4;
/** Longer than a poll, so that no process misses a change; then all read the blocks again. */
const VERSION_SECONDS = 3600;

/**
 * The blocks of the store, beside those of the file: known in memory to each process. While the store cannot be read, the
 * last known blocks count; before they are known every decision is refused.
 */
export class StoredBlocks {
  readonly #options: StoredBlocksOptions;
  #store: Store | undefined;
  #loop: BackgroundLoop | undefined;
  /** Undefined until the first read. */
  #list: BlockList | undefined;
  #blocks: readonly StoredBlock[] = [];
  #version: unknown;
  /** The first end of a block, in milliseconds since the epoch. */
  #nextEnd = Number.POSITIVE_INFINITY;
  #isFailing = false;

  constructor(options: StoredBlocksOptions) {
    this.#options = options;
  }

  /** Reads the blocks, and follows them. A store that is away is read later. */
  async follow(store: Store): Promise<void> {
    this.#store = store;
    await this.#poll();
    this.#loop = new BackgroundLoop(POLL_SECONDS, async () => {
      await this.#poll();
      return POLL_SECONDS;
    });
  }

  /** @throws ERR_STORAGE_UNAVAILABLE until the blocks are known */
  find(subject: BlockSubject): Block | undefined {
    if (this.#list === undefined) throw unread();
    return this.#list.find(subject);
  }

  get size(): number {
    return this.#blocks.length;
  }

  /** As this process knows them, the newest first. */
  list(): readonly StoredBlock[] {
    return this.#blocks;
  }

  /** @throws ERR_BLOCK_EXISTS */
  async add(made: Omit<StoredBlock, 'blockId'>): Promise<StoredBlock> {
    const stored = { ...made, blockId: blockIdOf(made.block) };
    if (!(await this.#known.putIfAbsent(KIND, stored.blockId, recordOf(stored)))) {
      throw new OpenBankingError('ERR_BLOCK_EXISTS', { id: stored.blockId });
    }
    await this.#noteChange();
    return stored;
  }

  async findStored(blockId: string): Promise<StoredBlock | undefined> {
    const record = await this.#known.find(KIND, blockId);
    return record && restored(record);
  }

  async lift(blockId: string): Promise<void> {
    await this.#known.delete(KIND, blockId);
    await this.#noteChange();
  }

  async close(): Promise<void> {
    await this.#loop?.close();
  }

  get #known(): Store {
    if (this.#store === undefined) throw unread();
    return this.#store;
  }

  /** After the change: a process that reads the new version reads the change. */
  async #noteChange(): Promise<void> {
    const { clock } = this.#options;
    const store = this.#known;
    const number = await store.allocate(VERSION, 1);
    const expiresAt = new Date(clock.now().getTime() + VERSION_SECONDS * 1000);
    await store.put(VERSION, 'all', { value: number, expiresAt });
    await this.#read(number);
  }

  async #poll(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      const version = await this.#versionInStore();
      const isNew = this.#list === undefined || version !== this.#version;
      if (isNew || clock.now().getTime() >= this.#nextEnd) await this.#read(version);
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) log.emit('blocks.unread', { error });
      this.#isFailing = true;
    }
  }

  async #versionInStore(): Promise<unknown> {
    return (await this.#known.find(VERSION, 'all'))?.value;
  }

  async #read(version: unknown): Promise<void> {
    const { clock } = this.#options;
    const store = this.#known;
    const now = clock.now();
    const records = await store.listByIndex(KIND, 'all', ALL.all);
    const blocks = records.map(restored).filter(({ until }) => until === undefined || until > now);
    this.#list = createBlockList(blocks.map(({ block }) => block));
    this.#blocks = blocks.toReversed();
    this.#nextEnd = Math.min(...blocks.map(({ until }) => until?.getTime() ?? Number.POSITIVE_INFINITY));
    this.#version = version;
  }
}

/** The identifier of the block of an object. */
export function blockIdOf(block: Block): string {
  const object =
    block.kind === 'tpp'
      ? ['tpp', block.authorizationNumber.normalize('NFKC').toUpperCase(), block.nca ?? '']
      : ['certificate', block.issuer, block.serialNumber];
  return createHash('sha256').update(JSON.stringify(object)).digest('base64url').slice(0, 22);
}

function unread(): OpenBankingError {
  return new OpenBankingError('ERR_STORAGE_UNAVAILABLE', { operation: 'read the blocks' });
}

function recordOf({ block, by, until }: StoredBlock): RecordToStore {
  return {
    value: { block, by, ...(until === undefined ? {} : { until: until.toISOString() }) },
    ...(until === undefined ? {} : { expiresAt: until }),
    indexes: ALL,
  };
}

function restored({ id, value }: StoredRecord): StoredBlock {
  const { block, by, until } = value as Kept;
  return {
    blockId: id,
    block: { ...block, since: new Date(block.since) },
    by,
    ...(until === undefined ? {} : { until: new Date(until) }),
  };
}
