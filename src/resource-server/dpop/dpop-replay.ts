import type { Clock } from '../../clock.ts';
import { OpenBankingError } from '../../errors.ts';

/** Claims a proof by its id until a date: true for the first caller only. `holder` is the thumbprint of the certificate, or the client without one. */
export type ClaimProof = (id: string, until: Date, holder: string) => Promise<boolean>;

/** Two thousand requests a second for a minute; about 20 MB. */
const MAX_PROOFS = 131_072;
/** From this share of the memory on, one holder may have no more than the other share. */
const CROWDED = 1 / 2;
const SHARE_OF_ONE = 1 / 4;

/**
 * Remembers the proofs of this process until they have expired by themselves. When the memory is full of live
 * ones, new ones are refused: forgetting one would let it be replayed. One holder cannot fill the memory for the others:
 * when half of the memory is used, a holder with a quarter of the memory is refused.
 *
 * Does not see the proofs that other processes have accepted; `claimProof` with a shared store does.
 */
export function rememberProofs(clock: Clock, maxProofs = MAX_PROOFS): ClaimProof {
  const claimed = new Map<string, { readonly until: number; readonly holder: string }>();
  const held = new Map<string, number>();
  const heldBy = (holder: string) => held.get(holder) ?? 0;
  const dropExpired = (now: number) => {
    for (const [id, { until, holder }] of claimed) {
      if (until > now) continue;
      claimed.delete(id);
      if (heldBy(holder) > 1) held.set(holder, heldBy(holder) - 1);
      else held.delete(holder);
    }
  };
  const isFull = (holder: string) =>
    claimed.size >= maxProofs ||
    (claimed.size >= maxProofs * CROWDED && heldBy(holder) >= maxProofs * SHARE_OF_ONE);
  let sweptAt = -Infinity;
  return async (id, until, holder) => {
    const now = clock.now().getTime();
    const known = claimed.get(id);
    if (known !== undefined && known.until > now) return false;
    // At most once a second, so that a full memory does not make every request walk through it.
    if (known !== undefined || (isFull(holder) && now - sweptAt >= 1000)) {
      sweptAt = now;
      dropExpired(now);
    }
    if (isFull(holder)) throw new OpenBankingError('ERR_DPOP_UNAVAILABLE', { proofs: maxProofs });
    claimed.set(id, { until: until.getTime(), holder });
    held.set(holder, heldBy(holder) + 1);
    return true;
  };
}
