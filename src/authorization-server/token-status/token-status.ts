import { OpenBankingError } from '../../errors.ts';
import { LIST_SIZE } from './status-list-allocator.ts';
import { type GrantEnd, StatusListIndexes, type StatusListIndexesOptions } from './status-list-indexes.ts';
import { StatusLists, type StatusListsOptions } from './status-lists.ts';
import type { TokenHolder } from './token-holder.ts';

/** The `status` claim of an access token (Token Status List, draft-ietf-oauth-status-list, section 6.1). */
export interface StatusClaim {
  readonly status_list: { readonly idx: number; readonly uri: string };
}

export type TokenStatusOptions = StatusListIndexesOptions & Omit<StatusListsOptions, 'indexes'>;

/**
 * Ends access tokens, also those that are JWTs: each token names an index of a list that we sign and serve. The bit of
 * the index is set when the token is revoked, and while the TPP, the client or the certificate of its holder is not
 * authorised.
 */
export class TokenStatus {
  readonly lists: StatusLists;
  readonly #indexes: StatusListIndexes;
  readonly #listBaseUrl: string;

  constructor(options: TokenStatusOptions) {
    this.#indexes = new StatusListIndexes(options);
    this.lists = new StatusLists({ ...options, indexes: this.#indexes });
    this.#listBaseUrl = options.listBaseUrl;
  }

  /**
   * The claim for a token of the holder; tokens of one grant and certificate share it for a while. The claim of a grant
   * that a replay has ended is revoked.
   *
   * @throws ERR_STORAGE_REVOKED when the grant has ended in another way
   */
  async reference(holder: TokenHolder, grantId: string | undefined): Promise<StatusClaim> {
    const index = await this.#indexes.indexOf(holder, grantId);
    const state = grantId === undefined ? 'open' : await this.#indexes.stateOf(grantId);
    if (state === 'ended') throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
    if (state === 'replayed') await this.#revokeIndex(index);
    const uri = `${this.#listBaseUrl}${Math.floor(index / LIST_SIZE)}`;
    return { status_list: { idx: index % LIST_SIZE, uri } };
  }

  /** Every token of the grant is dead from now on, and no new one is issued under it. */
  async revokeGrant(grantId: string, reason: GrantEnd): Promise<void> {
    await this.#indexes.revokeGrant(grantId, reason);
    this.lists.expire();
  }

  /** Whether a second use has ended the grant. */
  async isReplayed(grantId: string): Promise<boolean> {
    return (await this.#indexes.stateOf(grantId)) === 'replayed';
  }

  /** The tokens with this claim are dead from now on. */
  revoke({ status_list }: StatusClaim): Promise<void> {
    return this.#revokeIndex(this.#listOf(status_list.uri) * LIST_SIZE + status_list.idx);
  }

  /** Whether tokens with this claim may be used, as decided less than a second ago. */
  async isLive({ status_list: { idx, uri } }: StatusClaim): Promise<boolean> {
    const { bits } = await this.lists.current(this.#listOf(uri));
    return (bits.readUInt8(idx >> 3) & (1 << (idx & 7))) === 0;
  }

  async #revokeIndex(index: number): Promise<void> {
    await this.#indexes.revoke(index);
    this.lists.expire();
  }

  #listOf(uri: string): number {
    return Number(uri.slice(this.#listBaseUrl.length));
  }
}
