import { type Clock, epochSeconds } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Store } from '../../storage/store.ts';
import {
  keyOf,
  listOf,
  SLACK_SECONDS,
  type StatusBlock,
  StatusListAllocator,
} from './status-list-allocator.ts';
import type { TokenHolder } from './token-holder.ts';

/** Longest life of an access token that the configuration allows: a revocation must outlive the token. */
const LONGEST_TOKEN_SECONDS = 3600;
/** How long nothing may be issued under a grant that has ended: longer than any request takes. */
const ENDED_SECONDS = 24 * 3600;
/** A grant whose tokens are revoked one by one gets as many new indexes in one window. */
const MAX_ATTEMPTS = 100;

/** The index of a grant. */
const INDEX = 'StatusEntry';
const REVOCATION = 'StatusRevocation';
const ENDED = 'StatusGrantEnded';

export interface StatusListIndexesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly accessTokenSeconds: number;
  /** Hides grant identifiers in the store. */
  readonly hashId: (id: string) => string;
}

/**
 * How a grant has ended. `replayed`: its code, or a refresh token that rotates, was used a second time (RFC 6749
 * §4.1.2, RFC 9700 §4.14.2).
 */
export type GrantEnd = 'replayed' | 'ended';
export type GrantState = 'open' | GrantEnd;

/**
 * The status-list index of each token, and what was revoked. A token without a grant has an index of its own. The
 * tokens that a grant issues on one certificate within one token life share an index.
 *
 * The end of a grant is written before the indexes of the grant are read. A request for a token calls `indexOf` and
 * then `stateOf`, so that one of the two sees the other.
 */
export class StatusListIndexes {
  readonly #options: StatusListIndexesOptions;
  readonly #allocator: StatusListAllocator;

  constructor(options: StatusListIndexesOptions) {
    this.#options = options;
    this.#allocator = new StatusListAllocator(options);
  }

  /** @throws ERR_STORAGE_REVOKED when every index that the grant may have at present is revoked */
  async indexOf(holder: TokenHolder, grantId: string | undefined): Promise<number> {
    if (grantId === undefined) return this.#allocator.allocate(holder);
    for (let attempt = 0; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const index = await this.#indexOfGrant(holder, grantId, attempt);
      if (index !== undefined) return index;
    }
    throw new OpenBankingError('ERR_STORAGE_REVOKED', { kind: 'Grant' });
  }

  async stateOf(grantId: string): Promise<GrantState> {
    const { store, hashId } = this.#options;
    const end = await store.find(ENDED, hashId(grantId));
    if (end === undefined) return 'open';
    return end.value === 'replayed' ? 'replayed' : 'ended';
  }

  revoke(index: number): Promise<void> {
    return this.#options.store.put(REVOCATION, String(index), {
      value: index,
      expiresAt: this.#inSeconds(LONGEST_TOKEN_SECONDS + SLACK_SECONDS),
      indexes: { list: listOf(index) },
    });
  }

  /** Revokes every index of the grant, and those that are being taken at this moment. */
  async revokeGrant(grantId: string, reason: GrantEnd): Promise<void> {
    const { store, hashId } = this.#options;
    const grant = hashId(grantId);
    const end = { value: reason, expiresAt: this.#inSeconds(ENDED_SECONDS) };
    // A replay stays known, whatever else ends the grant too.
    await (reason === 'replayed' ? store.put(ENDED, grant, end) : store.putIfAbsent(ENDED, grant, end));
    const records = await store.listByIndex(INDEX, 'grant', grant);
    await Promise.all(records.map(({ value }) => this.revoke(Number(value))));
  }

  /** What a list must contain: its blocks and its revoked indexes. */
  async contentOf(list: number): Promise<{ readonly blocks: StatusBlock[]; readonly revoked: number[] }> {
    const [blocks, revoked] = await Promise.all([
      this.#allocator.blocksOf(list),
      this.#options.store.listByIndex(REVOCATION, 'list', String(list)),
    ]);
    return { blocks, revoked: revoked.map(({ value }) => Number(value)) };
  }

  /** The index that the grant has or now takes; undefined when that one is revoked. */
  async #indexOfGrant(holder: TokenHolder, grantId: string, attempt: number): Promise<number | undefined> {
    const { store, clock, hashId, accessTokenSeconds } = this.#options;
    const window = Math.floor(epochSeconds(clock.now()) / accessTokenSeconds);
    const id = hashId(JSON.stringify([grantId, keyOf(holder), window, attempt]));
    let record = await store.find(INDEX, id);
    if (record === undefined) {
      const index = await this.#allocator.allocate(holder);
      const isFirst = await store.putIfAbsent(INDEX, id, {
        value: index,
        expiresAt: this.#inSeconds(2 * accessTokenSeconds + SLACK_SECONDS),
        indexes: { grant: hashId(grantId) },
      });
      if (isFirst) return index;
      // Another request of the grant was faster.
      record = await store.find(INDEX, id);
    }
    const isRevoked = (await store.find(REVOCATION, String(record?.value))) !== undefined;
    return record === undefined || isRevoked ? undefined : Number(record.value);
  }

  #inSeconds(seconds: number): Date {
    return new Date(this.#options.clock.now().getTime() + seconds * 1000);
  }
}
