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
  type StatusNumbers,
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

/**
 * How a grant has ended. `replayed`: its code, or a refresh token that rotates, was used a second time (RFC 6749
 * §4.1.2, RFC 9700 §4.14.2).
 */
export type GrantEnd = 'replayed' | 'ended';
export type GrantState = 'open' | GrantEnd;

/**
 * Which entry of which list a token has. A number belongs to a block, and a block to one holder (client, TPP,
 * certificate), so that one durable record names the holder of a whole row of entries and issuing a token
 * costs no write. All tokens that a grant gives on one certificate within one token life share an entry.
 *
 * The end of a grant is written before the entries of the grant are read. A request for a token takes its entry and then
 * calls `stateOf`, so that one of the two sees the other.
 */
export class StatusEntries {
  readonly #options: StatusEntriesOptions;
  readonly #numbers: StatusNumbers;

  constructor(options: StatusEntriesOptions) {
    this.#options = options;
    this.#numbers = createStatusNumbers(options);
  }

  /** @throws ERR_STORAGE_REVOKED when every entry that the grant may have at present is revoked */
  async entryOf(holder: TokenHolder, grantId: string | undefined): Promise<number> {
    if (grantId === undefined) return this.#numbers.take(holder);
    for (let attempt = 0; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const index = await this.#entryOfGrant(holder, grantId, attempt);
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

  /** Revokes every entry of the grant, and those that are being taken at this moment. */
  async revokeGrant(grantId: string, reason: GrantEnd): Promise<void> {
    const { store, hashId } = this.#options;
    const grant = hashId(grantId);
    const end = { value: reason, expiresAt: this.#inSeconds(ENDED_SECONDS) };
    // A replay stays known, whatever else ends the grant too.
    await (reason === 'replayed' ? store.put(ENDED, grant, end) : store.putIfAbsent(ENDED, grant, end));
    const entries = await store.listByIndex(ENTRY, 'grant', grant);
    await Promise.all(entries.map(({ value }) => this.revoke(Number(value))));
  }

  /** What a list must contain: its blocks and its revoked numbers. */
  async contentOf(list: number): Promise<{ readonly blocks: StatusBlock[]; readonly revoked: number[] }> {
    const { store } = this.#options;
    const [blocks, revoked] = await Promise.all([
      store.listByIndex(BLOCK, 'list', String(list)),
      store.listByIndex(REVOCATION, 'list', String(list)),
    ]);
    return { blocks: blocks.map(parseBlock), revoked: revoked.map(({ value }) => Number(value)) };
  }

  /** The entry that the grant has or now takes; undefined when that one is revoked. */
  async #entryOfGrant(holder: TokenHolder, grantId: string, attempt: number): Promise<number | undefined> {
    const { store, clock, hashId, accessTokenSeconds } = this.#options;
    const window = Math.floor(epochSeconds(clock.now()) / accessTokenSeconds);
    const id = hashId(JSON.stringify([grantId, keyOf(holder), window, attempt]));
    let entry = await store.find(ENTRY, id);
    if (entry === undefined) {
      const index = await this.#numbers.take(holder);
      const isFirst = await store.putIfAbsent(ENTRY, id, {
        value: index,
        expiresAt: this.#inSeconds(2 * accessTokenSeconds + SLACK_SECONDS),
        indexes: { grant: hashId(grantId) },
      });
      if (isFirst) return index;
      // Another request of the grant was faster.
      entry = await store.find(ENTRY, id);
    }
    const isRevoked = (await store.find(REVOCATION, String(entry?.value))) !== undefined;
    return entry === undefined || isRevoked ? undefined : Number(entry.value);
  }

  #inSeconds(seconds: number): Date {
    return new Date(this.#options.clock.now().getTime() + seconds * 1000);
  }
}
