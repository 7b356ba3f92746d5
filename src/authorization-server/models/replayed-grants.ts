import { createHmac } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Store } from '../../storage/store.ts';

/**
 * Grants that ended because their code, or a refresh token that rotates, was used again.
 *
 * The second use may come while the answer to the first is being made. It kills what the first one gives, yet the
 * first one succeeds, as if it had been a moment faster: of any number of uses at once exactly one succeeds. A grant
 * that is ended in another way makes it fail.
 */
export interface ReplayedGrants {
  /** Before anything of the grant is removed. */
  note(grantId: string): Promise<void>;
  has(grantId: string): Promise<boolean>;
}

const KIND = 'ReplayedGrant';
/** Longer than any request takes. */
const NOTED_SECONDS = 3600;

export function createReplayedGrants(options: {
  readonly store: Store;
  readonly clock: Clock;
  readonly secret: Buffer;
}): ReplayedGrants {
  const { store, clock, secret } = options;
  const idOf = (grantId: string) =>
    createHmac('sha256', secret).update(`replayed\0${grantId}`).digest('base64url');
  return {
    note: (grantId) =>
      store.put(KIND, idOf(grantId), {
        value: null,
        expiresAt: new Date(clock.now().getTime() + NOTED_SECONDS * 1000),
      }),
    has: async (grantId) => (await store.find(KIND, idOf(grantId))) !== undefined,
  };
}
