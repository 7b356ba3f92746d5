import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';

/** Claims a proof by its id until a date: true for the first caller only. */
export type ClaimProof = (id: string, until: Date) => Promise<boolean>;

/** Two thousand requests a second for a minute; about 20 MB. */
const MAX_PROOFS = 131_072;

/**
 * Remembers the proofs of this process until they have expired by themselves. When the memory is full of live
 * ones, new ones are refused: forgetting one would let it be replayed.
 *
 * Does not see the proofs that other processes have accepted; `claimProof` with a shared store does.
 */
export function rememberProofs(clock: Clock, maxProofs = MAX_PROOFS): ClaimProof {
  const claimed = new Map<string, number>();
  const dropExpired = (now: number) => {
    for (const [id, until] of claimed) if (until <= now) claimed.delete(id);
  };
  let sweptAt = -Infinity;
  return async (id, until) => {
    const now = clock.now().getTime();
    if ((claimed.get(id) ?? 0) > now) return false;
    // At most once a second, so that a full memory does not make every request walk through it.
    if (claimed.size >= maxProofs && now - sweptAt >= 1000) {
      sweptAt = now;
      dropExpired(now);
    }
    if (claimed.size >= maxProofs) throw new OpenBankingError('ERR_DPOP_UNAVAILABLE', { proofs: maxProofs });
    claimed.set(id, until.getTime());
    return true;
  };
}
