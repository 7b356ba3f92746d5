import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Store } from '../../storage/store.ts';
import { keyOf, LIST_SIZE, listOf, SLACK_SECONDS, StatusListAllocator } from './status-list-allocator.ts';
import { bitmapOf, GRANT_INDEX, type GrantEnd, RevokedGrants } from './revoked-grants.ts';
import { StatusLists, type StatusListsOptions } from './status-lists.ts';
import type { TokenHolder } from './token-holder.ts';

/** A grant whose tokens are revoked one by one gets as many new indexes in one window. */
const MAX_ATTEMPTS = 100;

export interface TokenStatusOptions extends Omit<StatusListsOptions, 'blocksOf' | 'revokedOf'> {
  readonly store: Store;
  readonly clock: Clock;
  readonly accessTokenSeconds: number;
  /** Hides grant identifiers in the store. */
  readonly hashId: (id: string) => string;
}

/** The `status` claim of an access token (Token Status List, draft-ietf-oauth-status-list, section 6.1). */
export interface StatusClaim {
  readonly status_list: { readonly idx: number; readonly uri: string };
}

/**
 * Ends access tokens, also those that are JWTs: each token names an index of a list that we sign and serve. The bit of
 * the index is set when the token is revoked, and while the TPP, the client or the certificate of its holder is not
 * authorised.
 *
 * A token without a grant shares its index with no other. The tokens that a grant issues on one certificate within one token
 * life share an index.
 */
export class TokenStatus {
  readonly lists: StatusLists;
  readonly #options: TokenStatusOptions;
  readonly #allocator: StatusListAllocator;
  readonly #revoked: RevokedGrants;

  constructor(options: TokenStatusOptions) {
    this.#options = options;
    this.#allocator = new StatusListAllocator(options);
    this.lists = new StatusLists({
      ...options,
      blocksOf: (list) => this.#allocator.blocksOf(list),
      revokedOf: (list) => options.store.findBits(bitmapOf(String(list))),
    });
    const onRevoked = (list: number, index: number) => this.lists.noteRevoked(list, index);
    this.#revoked = new RevokedGrants({ ...options, onRevoked });
  }

  /**
   * The claim for a token of the holder. The claim of a grant that a replay has ended is revoked.
   *
   * @throws ERR_STORAGE_REVOKED when the grant has ended in another way
   */
  async reference(holder: TokenHolder, grantId: string | undefined): Promise<StatusClaim> {
    if (grantId === undefined) return this.#claimOf(await this.#allocator.allocate(holder));
    // The end of a grant is written before the indexes of the grant are read. Here the index is written before the end
    // is read, so that one of the two requests sees the other.
    const index = await this.#indexOf(holder, grantId);
    const state = await this.#revoked.endOf(grantId);
    if (state === 'ended') throw grantRevoked();
    if (state === 'replayed') await this.#revoked.revoke(index);
    return this.#claimOf(index);
  }

  /** Every token of the grant is dead from now on, and no new one is issued under it. */
  revokeGrant(grantId: string, reason: GrantEnd): Promise<void> {
    return this.#revoked.revokeGrant(grantId, reason);
  }

  /** Whether a second use has ended the grant. */
  isReplayed(grantId: string): Promise<boolean> {
    return this.#revoked.isReplayed(grantId);
  }

  /** The tokens with this claim are dead from now on. */
  revoke({ status_list }: StatusClaim): Promise<void> {
    return this.#revoked.revoke(this.#listOf(status_list.uri) * LIST_SIZE + status_list.idx);
  }

  /** Whether tokens with this claim may be used, as decided less than a second ago. */
  isLive({ status_list: { idx, uri } }: StatusClaim): Promise<boolean> {
    return this.lists.isLive(this.#listOf(uri), idx);
  }

  /** The index of the grant at present; a new one when its tokens were revoked one by one. */
  async #indexOf(holder: TokenHolder, grantId: string): Promise<number> {
    for (let attempt = 0; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const index = await this.#unrevokedIndex(holder, grantId, attempt);
      if (index !== undefined) return index;
    }
    throw grantRevoked();
  }

  /** The index that the grant has or now takes; undefined when that one is revoked. */
  async #unrevokedIndex(holder: TokenHolder, grantId: string, attempt: number): Promise<number | undefined> {
    const { store, clock, hashId, accessTokenSeconds } = this.#options;
    const window = Math.floor(epochSeconds(clock.now()) / accessTokenSeconds);
    const id = hashId(JSON.stringify([grantId, keyOf(holder), window, attempt]));
    let record = await store.find(GRANT_INDEX, id);
    if (record === undefined) {
      const index = await this.#allocator.allocate(holder);
      const isFirst = await store.putIfAbsent(GRANT_INDEX, id, {
        value: index,
        expiresAt: this.#inSeconds(2 * accessTokenSeconds + SLACK_SECONDS),
        indexes: { grant: hashId(grantId) },
      });
      if (isFirst) return index;
      // Another request of the grant was faster.
      record = await store.find(GRANT_INDEX, id);
    }
    if (record === undefined) return undefined;
    const index = Number(record.value);
    return (await store.hasBit(bitmapOf(listOf(index)), index % LIST_SIZE)) ? undefined : index;
  }

  #claimOf(index: number): StatusClaim {
    const uri = `${this.#options.listBaseUrl}${listOf(index)}`;
    return { status_list: { idx: index % LIST_SIZE, uri } };
  }

  #listOf(uri: string): number {
    return Number(uri.slice(this.#options.listBaseUrl.length));
  }

  #inSeconds(seconds: number): Date {
    return new Date(this.#options.clock.now().getTime() + seconds * 1000);
  }
}

function grantRevoked(): OpenBankingError<'ERR_STORAGE_REVOKED'> {
  return new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
}
