import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { Store, StoredRecord } from '../../storage/store.ts';
import type { TokenHolder } from './token-holder.ts';

/** Indexes of one list: 16 kB of bits, about 40 bytes on the wire while nothing is revoked. */
export const LIST_SIZE = 2 ** 17;
/** Indexes taken from the durable counter at once; blocks are cut from them. A divisor of the list size. */
const CHUNK_SIZE = 1024;
/** A holder's first block; each one after it is twice as large, up to a chunk. */
const FIRST_BLOCK_SIZE = 64;
/** Holders whose open block is remembered. Forgetting one costs a write. */
const MAX_OPEN_BLOCKS = 10_000;
/** For clocks of several processes, and requests on their way. */
export const SLACK_SECONDS = 120;

const BLOCK = 'StatusBlock';
const COUNTER = 'token-status-index';

export interface AllocatorOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly accessTokenSeconds: number;
}

/** Indexes of one holder in a row. `holder` is missing when the record cannot be read. */
export interface StatusBlock {
  readonly first: number;
  readonly count: number;
  readonly holder?: TokenHolder;
}

interface OpenBlock {
  next: number;
  readonly end: number;
  readonly size: number;
  readonly until: number;
}

/**
 * Allocates indexes of status lists to holders. An index belongs to a block, and a block to one holder (client, TPP,
 * certificate): one durable record names the holder of a whole row of indexes, and most tokens cost no write.
 */
export class StatusListAllocator {
  readonly #options: AllocatorOptions;
  /** By holder. */
  readonly #open = new LRUCache<string, OpenBlock>({ max: MAX_OPEN_BLOCKS });
  readonly #opening = new SingleFlight<void>();
  readonly #taking = new SingleFlight<void>();
  /** The rest of the chunk that this process has allocated from the counter. */
  #chunk = { next: 0, end: 0 };

  constructor(options: AllocatorOptions) {
    this.#options = options;
  }

  /** An index of the holder's open block. A new block is opened when the last one is used up or old. */
  async allocate(holder: TokenHolder): Promise<number> {
    const key = keyOf(holder);
    for (;;) {
      const block = this.#open.get(key);
      if (block !== undefined && block.next < block.end && block.until > this.#now()) {
        block.next += 1;
        return block.next - 1;
      }
      await this.#opening.run(() => this.#openBlock(key, holder), key);
    }
  }

  /** The blocks of a list. */
  async blocksOf(list: number): Promise<StatusBlock[]> {
    return (await this.#options.store.listByIndex(BLOCK, 'list', String(list))).map(parseBlock);
  }

  async #openBlock(key: string, holder: TokenHolder): Promise<void> {
    const { store, accessTokenSeconds } = this.#options;
    const size = Math.min(CHUNK_SIZE, (this.#open.get(key)?.size ?? FIRST_BLOCK_SIZE / 2) * 2);
    const first = await this.#takeRange(size);
    const until = this.#now() + accessTokenSeconds * 1000;
    // An index taken at the end of the block's life is used for one token life more, by tokens that then live one.
    const expiresAt = new Date(until + (2 * accessTokenSeconds + SLACK_SECONDS) * 1000);
    await store.put(BLOCK, String(first), {
      value: { count: size, holder },
      expiresAt,
      indexes: { list: listOf(first) },
    });
    this.#open.set(key, { next: first, end: first + size, size, until });
  }

  /** The first of a row of indexes that lie in one chunk, and so in one list. */
  async #takeRange(size: number): Promise<number> {
    while (this.#chunk.next + size > this.#chunk.end) await this.#taking.run(() => this.#takeChunk());
    this.#chunk.next += size;
    return this.#chunk.next - size;
  }

  async #takeChunk(): Promise<void> {
    const next = await this.#options.store.allocate(COUNTER, CHUNK_SIZE);
    this.#chunk = { next, end: next + CHUNK_SIZE };
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

const keys = new WeakMap<TokenHolder, string>();

/** Equal for holders that are equal in every part. */
export function keyOf(holder: TokenHolder): string {
  const known = keys.get(holder);
  if (known !== undefined) return known;
  const { clientId, authorizationNumber, nca, roles, certificate } = holder;
  const { issuer, issuerKeyHash, serialNumber } = certificate ?? {};
  const key = JSON.stringify([
    clientId,
    authorizationNumber,
    nca,
    roles,
    issuer,
    issuerKeyHash,
    serialNumber,
  ]);
  keys.set(holder, key);
  return key;
}

export function listOf(index: number): string {
  return String(Math.floor(index / LIST_SIZE));
}

function parseBlock({ id, value }: StoredRecord): StatusBlock {
  const { count, holder } = value as { readonly count?: unknown; readonly holder?: TokenHolder };
  const isWhole = typeof count === 'number' && holder?.clientId !== undefined;
  return { first: Number(id), count: isWhole ? count : FIRST_BLOCK_SIZE, ...(isWhole ? { holder } : {}) };
}
