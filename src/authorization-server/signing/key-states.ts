import { isEncryptionKey } from './encryption-keys.ts';
import { type KeptKey, presentKeys, useFrom } from './kept-keys.ts';

/** A key without its secrets, with its state at one time. */
export interface KeyState {
  readonly kid: string;
  readonly alg: string;
  readonly state: 'next' | 'signing' | 'encrypting' | 'published' | 'over';
  /** The time from which the key signs, or clients encrypt to it; undefined for a first key. */
  readonly from?: Date;
  /** The name of the key in its token or KMS; undefined for a key of a file. */
  readonly name?: string;
}

/** Each key with its state at `now`. */
export function statesOf(
  kept: readonly (KeptKey & { readonly name?: string })[],
  now: number,
  retainSeconds: number,
): readonly KeyState[] {
  const present = presentKeys(kept, now, retainSeconds);
  return kept.map((key) => ({
    kid: key.kid ?? '',
    alg: key.alg ?? '',
    state: stateOf(key),
    ...(key.use_from === undefined ? {} : { from: new Date(key.use_from * 1000) }),
    ...(key.name === undefined ? {} : { name: key.name }),
  }));

  function stateOf(key: KeptKey): KeyState['state'] {
    if (useFrom(key) > now) return 'next';
    if (present.find(({ alg }) => alg === key.alg)?.kid === key.kid) {
      return isEncryptionKey(key) ? 'encrypting' : 'signing';
    }
    return present.some(({ kid }) => kid === key.kid) ? 'published' : 'over';
  }
}
