import { type Clock, epochSeconds } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import type { Store, StoredRecord } from '../storage/store.ts';
import type { TokenHolder } from './token-holder.ts';

/** Entries of one list: 16 kB of bits, about 40 bytes on the wire while nothing is revoked. */
export const LIST_SIZE = 2 ** 17;
/** Numbers taken from the durable counter at once; blocks are cut from them. A divisor of the list size. */
const CHUNK_SIZE = 1024;
/** A holder's first block; each one after it is twice as large, up to a chunk. */
const FIRST_BLOCK_SIZE = 64;
/** Holders whose open block is remembered. Forgetting one costs a write. */
const MAX_OPEN_BLOCKS = 10_000;
/** Longest life of an access token that the configuration allows: a mark must outlive the token. */
const LONGEST_TOKEN_SECONDS = 3600;
/** For clocks of several processes, and requests on their way. */
const SLACK_SECONDS = 120;
/** How long nothing may be issued under a grant that has ended: longer than any request takes. */
const ENDED_SECONDS = 24 * 3600;
/** A grant whose tokens are revoked one by one gets as many new entries in one window. */
const MAX_ATTEMPTS = 100;

const BLOCK = 'StatusBlock';
const ENTRY = 'StatusEntry';
const REVOCATION = 'StatusRevocation';
const ENDED = 'StatusGrantEnded';
const COUNTER = 'token-status-index';

export interface StatusEntriesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly accessTokenSeconds: number;
  /** Hides grant identifiers in the store. */
  readonly hashId: (id: string) => string;
}

/** Numbers of one holder in a row. `holder` is missing when the record cannot be read. */
export interface StatusBlock {
  readonly first: number;
  readonly count: number;
  readonly holder?: TokenHolder;
}

export interface GrantUse {
  /** Whether the grant most likely has no entry yet: saves a look-up. */
  readonly isFirstUse?: boolean;
  /** What the caller does meanwhile. Last of all comes the look whether the grant has ended. */
  readonly meanwhile?: Promise<unknown> | undefined;
  /** Takes over the last look at a grant without an entry: the caller waits for it before anybody gets the token. */
  readonly takeLook?: (look: Promise<void>) => void;
}

/**
 * Which entry of which list a token has. A number belongs to a block, and a block to one holder (client, TPP,
 * certificate), so that one durable record tells whose tokens a whole row of entries are and issuing a token
 * costs no write. All tokens that a grant gives on one certificate within one token life share an entry.
 */
export interface StatusEntries {
  /** @throws ERR_STORAGE_REVOKED when the grant has ended */
  entryOf(holder: TokenHolder, grantId: string | undefined, use?: GrantUse): Promise<number>;
  revoke(index: number): Promise<void>;
  /** Revokes every entry of the grant, and those that are being taken at this moment. */
  revokeGrant(grantId: string): Promise<void>;
  /** What a list must know: its blocks and its revoked numbers. */
  contentOf(list: number): Promise<{ readonly blocks: StatusBlock[]; readonly revoked: number[] }>;
}

export function createStatusEntries(options: StatusEntriesOptions): StatusEntries {
  const { store, clock, hashId, accessTokenSeconds } = options;
  const take = blockAllocator(options);
  const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000);

  const revoke = (index: number) =>
    store.put(REVOCATION, String(index), {
      value: index,
      expiresAt: inSeconds(LONGEST_TOKEN_SECONDS + SLACK_SECONDS),
      indexes: { list: listOf(index) },
    });
  const isRevoked = async (index: number) => (await store.find(REVOCATION, String(index))) !== undefined;

  // The end of a grant writes its mark and then reads the entries; here it is the other way round, so that one of the
  // two sees the other.
  const assertGoesOn = async (grantId: string) => {
    if ((await store.find(ENDED, hashId(grantId))) === undefined) return;
    throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
  };

  const entryOfGrant = async (
    holder: TokenHolder,
    grantId: string,
    { attempt = 0, isFirstUse = false, meanwhile, takeLook }: GrantUse & { readonly attempt?: number },
  ): Promise<number> => {
    const window = Math.floor(epochSeconds(clock.now()) / accessTokenSeconds);
    const id = hashId(JSON.stringify([grantId, keyOf(holder), window, attempt]));
    const known = isFirstUse ? undefined : await store.find(ENTRY, id);
    if (known !== undefined) {
      const index = Number(known.value);
      await meanwhile;
      const [isDead] = await Promise.all([isRevoked(index), assertGoesOn(grantId)]);
      if (!isDead) return index;
      if (attempt < MAX_ATTEMPTS) return entryOfGrant(holder, grantId, { attempt: attempt + 1, meanwhile });
      throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
    }
    const index = await take(holder);
    const isFirst = await store.putIfAbsent(ENTRY, id, {
      value: index,
      expiresAt: inSeconds(2 * accessTokenSeconds + SLACK_SECONDS),
      indexes: { grant: hashId(grantId) },
    });
    if (!isFirst) return entryOfGrant(holder, grantId, { attempt, meanwhile });
    await meanwhile;
    const look = assertGoesOn(grantId);
    if (takeLook === undefined) await look;
    else takeLook(look);
    return index;
  };

  return {
    entryOf: (holder, grantId, use = {}) =>
      grantId === undefined ? take(holder) : entryOfGrant(holder, grantId, use),
    revoke,

    async revokeGrant(grantId) {
      const grant = hashId(grantId);
      await store.put(ENDED, grant, { value: null, expiresAt: inSeconds(ENDED_SECONDS) });
      const entries = await store.listByIndex(ENTRY, 'grant', grant);
      await Promise.all(entries.map(({ value }) => revoke(Number(value))));
    },

    async contentOf(list) {
      const [blocks, revoked] = await Promise.all([
        store.listByIndex(BLOCK, 'list', String(list)),
        store.listByIndex(REVOCATION, 'list', String(list)),
      ]);
      return { blocks: blocks.map(parseBlock), revoked: revoked.map(({ value }) => Number(value)) };
    },
  };
}

interface OpenBlock {
  next: number;
  readonly end: number;
  readonly size: number;
  readonly until: number;
}

/** Gives numbers out of the open block of a holder, and opens the next one when it is used up or old. */
function blockAllocator(options: StatusEntriesOptions): (holder: TokenHolder) => Promise<number> {
  const { store, clock, accessTokenSeconds } = options;
  const open = new Map<string, OpenBlock>();
  const opening = new Map<string, Promise<void>>();
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
    open.delete(key);
    const oldest = open.keys().next().value;
    if (open.size >= MAX_OPEN_BLOCKS && oldest !== undefined) open.delete(oldest);
    open.set(key, { next: first, end: first + size, size, until });
  };

  return async (holder) => {
    const key = keyOf(holder);
    for (;;) {
      const block = open.get(key);
      if (block !== undefined && block.next < block.end && block.until > clock.now().getTime()) {
        block.next += 1;
        return block.next - 1;
      }
      const pending = opening.get(key) ?? openBlock(key, holder).finally(() => opening.delete(key));
      opening.set(key, pending);
      await pending;
    }
  };
}

/** Ranges that lie in one chunk, and so in one list. */
function rangeAllocator(store: Store): (size: number) => Promise<number> {
  let next = 0;
  let end = 0;
  let pending: Promise<void> | undefined;
  const refill = async () => {
    next = await store.allocate(COUNTER, CHUNK_SIZE);
    end = next + CHUNK_SIZE;
  };
  return async (size) => {
    while (next + size > end) {
      pending ??= refill().finally(() => {
        pending = undefined;
      });
      await pending;
    }
    next += size;
    return next - size;
  };
}

const keys = new WeakMap<TokenHolder, string>();

function keyOf(holder: TokenHolder): string {
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

function listOf(index: number): string {
  return String(Math.floor(index / LIST_SIZE));
}

function parseBlock({ id, value }: StoredRecord): StatusBlock {
  const { count, holder } = value as { readonly count?: unknown; readonly holder?: TokenHolder };
  const isWhole = typeof count === 'number' && holder?.certificate !== undefined;
  return { first: Number(id), count: isWhole ? count : FIRST_BLOCK_SIZE, ...(isWhole ? { holder } : {}) };
}
