import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Store } from '../../storage/store.ts';
import {
  BLOCK,
  createStatusNumbers,
  keyOf,
  listOf,
  parseBlock,
  SLACK_SECONDS,
  type StatusBlock,
} from './status-numbers.ts';
import type { TokenHolder } from './token-holder.ts';

/** Longest life of an access token that the configuration allows: a mark must outlive the token. */
const LONGEST_TOKEN_SECONDS = 3600;
/** How long nothing may be issued under a grant that has ended: longer than any request takes. */
const ENDED_SECONDS = 24 * 3600;
/** A grant whose tokens are revoked one by one gets as many new entries in one window. */
const MAX_ATTEMPTS = 100;

const ENTRY = 'StatusEntry';
const REVOCATION = 'StatusRevocation';
const ENDED = 'StatusGrantEnded';

export interface StatusEntriesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly accessTokenSeconds: number;
  /** Hides grant identifiers in the store. */
  readonly hashId: (id: string) => string;
}

/** How a grant has ended, if it has. `replayed`: because its code or refresh token was used twice. */
export type GrantState = 'open' | 'replayed' | 'ended';

export interface GrantUse {
  /** Whether the grant most likely has no entry yet: saves a look-up. */
  readonly isFirstUse?: boolean;
  /** What was read earlier in the same request. */
  readonly ahead?: EntryAhead | undefined;
  /** What the caller does meanwhile. Last of all comes the look whether the grant has ended. */
  readonly meanwhile?: Promise<unknown> | undefined;
  /** Takes over the last look: the caller waits for it, and judges, before anybody gets the token. */
  readonly takeLook?: (look: Promise<GrantState>) => void;
}

/** The entry that a grant has at present, being read. */
export interface EntryAhead {
  readonly id: string;
  readonly index: Promise<number | undefined>;
}

/**
 * Which entry of which list a token has. A number belongs to a block, and a block to one holder (client, TPP,
 * certificate), so that one durable record tells whose tokens a whole row of entries are and issuing a token
 * costs no write. All tokens that a grant gives on one certificate within one token life share an entry.
 */
export interface StatusEntries {
  /** @throws ERR_STORAGE_REVOKED when the grant has ended, unless the look is taken over */
  entryOf(holder: TokenHolder, grantId: string | undefined, use?: GrantUse): Promise<number>;
  /** Begins to read which entry the grant has; whether the entry and the grant go on is for `entryOf` to see. */
  readAhead(holder: TokenHolder, grantId: string): EntryAhead;
  /** Sees to it that `entryOf` finds a number to give: two writes, if any. */
  prepare(holder: TokenHolder): Promise<void>;
  revoke(index: number): Promise<void>;
  /** Revokes every entry of the grant, and those that are being taken at this moment. */
  revokeGrant(grantId: string, as?: Exclude<GrantState, 'open'>): Promise<void>;
  /** What a list must know: its blocks and its revoked numbers. */
  contentOf(list: number): Promise<{ readonly blocks: StatusBlock[]; readonly revoked: number[] }>;
}

export function createStatusEntries(options: StatusEntriesOptions): StatusEntries {
  const { store, clock, hashId, accessTokenSeconds } = options;
  const { take, prepare } = createStatusNumbers(options);
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
  const stateOf = async (grantId: string): Promise<GrantState> => {
    const mark = await store.find(ENDED, hashId(grantId));
    if (mark === undefined) return 'open';
    return mark.value === 'replayed' ? 'replayed' : 'ended';
  };

  const idOf = (holder: TokenHolder, grantId: string, attempt: number) => {
    const window = Math.floor(epochSeconds(clock.now()) / accessTokenSeconds);
    return hashId(JSON.stringify([grantId, keyOf(holder), window, attempt]));
  };
  const indexOf = async (id: string): Promise<number | undefined> => {
    const entry = await store.find(ENTRY, id);
    return entry === undefined ? undefined : Number(entry.value);
  };

  const entryOfGrant = async (
    holder: TokenHolder,
    grantId: string,
    { attempt = 0, isFirstUse = false, ...use }: GrantUse & { readonly attempt?: number },
  ): Promise<number> => {
    // When a window begins meanwhile, the one before is used by a request on its way: its entries live long enough.
    const ahead = attempt === 0 ? use.ahead : undefined;
    const id = ahead?.id ?? idOf(holder, grantId, attempt);
    const known = isFirstUse ? undefined : await (ahead?.index ?? indexOf(id));
    if (known !== undefined) {
      await use.meanwhile;
      const look = awaitable(stateOf(grantId));
      // When the grant has ended the next would be dead too.
      const isNextNeeded = (await isRevoked(known)) && (await look) === 'open';
      if (!isNextNeeded) return looked(known, look, use);
      if (attempt < MAX_ATTEMPTS) return entryOfGrant(holder, grantId, { ...use, attempt: attempt + 1 });
      throw grantRevoked();
    }
    const index = await take(holder);
    const isFirst = await store.putIfAbsent(ENTRY, id, {
      value: index,
      expiresAt: inSeconds(2 * accessTokenSeconds + SLACK_SECONDS),
      indexes: { grant: hashId(grantId) },
    });
    // What was read ahead is old.
    if (!isFirst) return entryOfGrant(holder, grantId, { ...use, ahead: undefined, attempt });
    await use.meanwhile;
    return looked(index, awaitable(stateOf(grantId)), use);
  };

  const indexesOf = async (grantId: string): Promise<number[]> => {
    const entries = await store.listByIndex(ENTRY, 'grant', hashId(grantId));
    return entries.map(({ value }) => Number(value));
  };
  const revokeAll = (indexes: readonly number[]) => Promise.all(indexes.map(revoke));

  return {
    entryOf: (holder, grantId, use = {}) =>
      grantId === undefined ? take(holder) : entryOfGrant(holder, grantId, use),
    readAhead(holder, grantId) {
      const id = idOf(holder, grantId, 0);
      return { id, index: awaitable(indexOf(id)) };
    },
    prepare,
    revoke,

    async revokeGrant(grantId, as = 'ended') {
      const value = as === 'replayed' ? as : null;
      // The list that counts is read when the mark is there. Most entries are in an earlier one, and are revoked meanwhile.
      const [early] = await Promise.all([
        indexesOf(grantId),
        store.put(ENDED, hashId(grantId), { value, expiresAt: inSeconds(ENDED_SECONDS) }),
      ]);
      const [indexes] = await Promise.all([indexesOf(grantId), revokeAll(early)]);
      await revokeAll(indexes.filter((index) => !early.includes(index)));
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

/** Answers with the entry when its grant goes on, or leaves that to who takes the look over. */
async function looked(index: number, look: Promise<GrantState>, { takeLook }: GrantUse): Promise<number> {
  if (takeLook !== undefined) takeLook(look);
  else if ((await look) !== 'open') throw grantRevoked();
  return index;
}

function grantRevoked(): OpenBankingError<'ERR_STORAGE_REVOKED'> {
  return new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
}

/** It may fail before anybody waits for it, or nobody may. */
function awaitable<T>(work: Promise<T>): Promise<T> {
  void Promise.allSettled([work]);
  return work;
}
