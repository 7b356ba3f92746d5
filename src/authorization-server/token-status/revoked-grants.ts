import type { Clock } from '../../clock.ts';
import { keyedHash } from '../../storage/record-protection.ts';
import type { Store } from '../../storage/store.ts';
import { LIST_SIZE, listOf, SLACK_SECONDS } from './status-list-allocator.ts';

/** Longest life of an access token that the configuration allows: a revocation must outlive the token. */
const LONGEST_TOKEN_SECONDS = 3600;
/** How long nothing may be issued under a grant that has ended: longer than any request takes. */
const ENDED_SECONDS = 24 * 3600;
const ENDED = 'StatusGrantEnded';

/** The kind of the record of a grant's index. */
export const GRANT_INDEX = 'StatusEntry';

/**
 * How a grant has ended. `replayed`: its code, or a refresh token that rotates, was used a second time (RFC 6749
 * §4.1.2, RFC 9700 §4.14.2).
 */
export type GrantEnd = 'replayed' | 'ended';

export interface RevokedGrantsOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Hides grant identifiers in the store. */
  readonly hashId: (id: string) => string;
  /** Called with each index that this process revokes. */
  readonly onRevoked?: (list: number, index: number) => void;
}

/** Hides identifiers of grants in the store, by the secret of the store. */
export function statusIdHash(secret: Buffer): (id: string) => string {
  const hashOf = keyedHash(secret);
  return (id) => hashOf(`status\0${id}`);
}

/** Ends the access tokens of grants by their bits in the store: of a server, and of a command that serves nothing. */
export class RevokedGrants {
  readonly #options: RevokedGrantsOptions;

  constructor(options: RevokedGrantsOptions) {
    this.#options = options;
  }

  /** Every token of the grant is dead from now on, and no new one is issued under it. */
  async revokeGrant(grantId: string, reason: GrantEnd): Promise<void> {
    const { store, hashId } = this.#options;
    const grant = hashId(grantId);
    const end = { value: reason, expiresAt: this.#inSeconds(ENDED_SECONDS) };
    // A replay stays known, whatever else ends the grant too.
    await (reason === 'replayed' ? store.put(ENDED, grant, end) : store.putIfAbsent(ENDED, grant, end));
    const records = await store.listByIndex(GRANT_INDEX, 'grant', grant);
    await Promise.all(records.map(({ value }) => this.revoke(Number(value))));
  }

  /** How the grant has ended; undefined for one that is open. */
  async endOf(grantId: string): Promise<GrantEnd | undefined> {
    const { store, hashId } = this.#options;
    const end = await store.find(ENDED, hashId(grantId));
    if (end === undefined) return undefined;
    return end.value === 'replayed' ? 'replayed' : 'ended';
  }

  /** Whether a second use has ended the grant. */
  async isReplayed(grantId: string): Promise<boolean> {
    return (await this.endOf(grantId)) === 'replayed';
  }

  /** Sets the bit of an index. */
  async revoke(index: number): Promise<void> {
    const until = this.#inSeconds(LONGEST_TOKEN_SECONDS + SLACK_SECONDS);
    const list = listOf(index);
    await this.#options.store.setBit(bitmapOf(list), index % LIST_SIZE, until);
    this.#options.onRevoked?.(Number(list), index % LIST_SIZE);
  }

  #inSeconds(seconds: number): Date {
    return new Date(this.#options.clock.now().getTime() + seconds * 1000);
  }
}

/** The revoked indexes of a list, as one bitmap: reading it costs the same with any number of revocations. */
export function bitmapOf(list: string): string {
  return `token-status-${list}`;
}
