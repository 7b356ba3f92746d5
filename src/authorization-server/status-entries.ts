import { type Clock, epochSeconds } from '../clock.ts';
import { OpenBankingError } from '../errors.ts';
import type { Store } from '../storage/store.ts';
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
  const take = createStatusNumbers(options);
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
