import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { Store, StoredRecord } from '../../storage/store.ts';
import type { TokenHolder } from './token-holder.ts';

/** Entries of one list: 16 kB of bits, about 40 bytes on the wire while nothing is revoked. */
export const LIST_SIZE = 2 ** 17;
/** Numbers taken from the durable counter at once; blocks are cut from them. A divisor of the list size. */
const CHUNK_SIZE = 1024;
/** A holder's first block; each one after it is twice as large, up to a chunk. */
const FIRST_BLOCK_SIZE = 64;
/** Holders whose open block is remembered. Forgetting one costs a write. */
const MAX_OPEN_BLOCKS = 10_000;
/** For clocks of several processes, and requests on their way. */
export const SLACK_SECONDS = 120;

export const BLOCK = 'StatusBlock';
const COUNTER = 'token-status-index';

export interface StatusNumbersOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly accessTokenSeconds: number;
}

/** Numbers of one holder in a row. `holder` is missing when the record cannot be read. */
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

/** Numbers of status lists, for holders. */
export interface StatusNumbers {
  /** Gives a number out of the open block of the holder, and opens the next one when it is used up or old. */
  take(holder: TokenHolder): Promise<number>;
}

export function createStatusNumbers(options: StatusNumbersOptions): StatusNumbers {
  const { store, clock, accessTokenSeconds } = options;
  const open = new LRUCache<string, OpenBlock>({ max: MAX_OPEN_BLOCKS });
  const opening = new SingleFlight<void>();
  const nextRange = rangeAllocator(store);

  const openBlock = async (key: string, holder: TokenHolder): Promise<void> => {
    const size = Math.min(CHUNK_SIZE, (open.get(key)?.size ?? FIRST_BLOCK_SIZE / 2) * 2);
    const first = await nextRange(size);
    const until = clock.now().getTime() + accessTokenSeconds * 1000;
    // An entry taken at the end of the block's life is used for one token life more, by tokens that then live one.
    const expiresAt = new Date(until + (2 * accessTokenSeconds + SLACK_SECONDS) * 1000);
    await store.put(BLOCK, String(first), {
      value: { count: size, holder },
      expiresAt,
      indexes: { list: listOf(first) },
    });
    open.set(key, { next: first, end: first + size, size, until });
  };

  const usable = (key: string): OpenBlock | undefined => {
    const block = open.get(key);
    const isUsable = block !== undefined && block.next < block.end && block.until > clock.now().getTime();
    return isUsable ? block : undefined;
  };
  const opened = (key: string, holder: TokenHolder): Promise<void> =>
    opening.run(() => openBlock(key, holder), key);

  return {
    async take(holder) {
      const key = keyOf(holder);
      for (;;) {
        const block = usable(key);
        if (block !== undefined) {
          block.next += 1;
          return block.next - 1;
        }
        await opened(key, holder);
      }
    },
  };
}

/** Ranges that lie in one chunk, and so in one list. */
function rangeAllocator(store: Store): (size: number) => Promise<number> {
  let next = 0;
  let end = 0;
  const refills = new SingleFlight<void>();
  const refill = async () => {
    next = await store.allocate(COUNTER, CHUNK_SIZE);
    end = next + CHUNK_SIZE;
  };
  return async (size) => {
    while (next + size > end) await refills.run(refill);
    next += size;
    return next - size;
  };
}

const keys = new WeakMap<TokenHolder, string>();

export function keyOf(holder: TokenHolder): string {
  const known = keys.get(holder);
  if (known !== undefined) return known;
  const { clientId, authorizationNumber, nca, roles, certificate } = holder;
  const key = JSON.stringify([
    clientId,
    authorizationNumber,
    nca,
    roles,
    certificate.issuer,
    certificate.issuerKeyHash,
    certificate.serialNumber,
  ]);
  keys.set(holder, key);
  return key;
}

export function listOf(index: number): string {
  return String(Math.floor(index / LIST_SIZE));
}

export function parseBlock({ id, value }: StoredRecord): StatusBlock {
  const { count, holder } = value as { readonly count?: unknown; readonly holder?: TokenHolder };
  const isWhole = typeof count === 'number' && holder?.certificate !== undefined;
  return { first: Number(id), count: isWhole ? count : FIRST_BLOCK_SIZE, ...(isWhole ? { holder } : {}) };
}
