import { type Clock, epochSeconds } from '../../clock.ts';
import { type KeptKey, nextTurn, presentKeys, signatureKeys } from './kept-keys.ts';
import { publishedKey } from './private-keys.ts';
import type { FollowedSigner, PublishedKey, Signer } from './signer.ts';

/** Below the longest delay of setTimeout (2^31 ms). */
const MAX_TIMER_SECONDS = 86_400;

/** The keys in use, as they change by new keys and by time. */
export class PresentedKeys implements Pick<FollowedSigner, 'keys' | 'follow'> {
  readonly #clock: Clock;
  readonly #retainSeconds: number;
  readonly #followers = new Set<Parameters<FollowedSigner['follow']>[0]>();
  #kept: readonly KeptKey[];
  #signer: Pick<Signer, 'sign'>;
  #turn: NodeJS.Timeout | undefined;
  #isClosed = false;
  #latest:
    | { readonly second: number; readonly kept: readonly KeptKey[]; readonly keys: readonly PublishedKey[] }
    | undefined;

  constructor(
    { clock, retainSeconds }: { readonly clock: Clock; readonly retainSeconds: number },
    kept: readonly KeptKey[],
    signer: Pick<Signer, 'sign'>,
  ) {
    this.#clock = clock;
    this.#retainSeconds = retainSeconds;
    this.#kept = kept;
    this.#signer = signer;
    this.#notify();
  }

  /** The keys of this second, found once for all of its signatures. */
  get keys(): readonly PublishedKey[] {
    const second = this.#now();
    if (this.#latest?.second !== second || this.#latest.kept !== this.#kept) {
      const keys = presentKeys(signatureKeys(this.#kept), second, this.#retainSeconds).map(publishedKey);
      this.#latest = { second, kept: this.#kept, keys };
    }
    return this.#latest.keys;
  }

  follow(use: Parameters<FollowedSigner['follow']>[0]): void {
    this.#followers.add(use);
    use(this.keys, this.#signer);
  }

  replace(kept: readonly KeptKey[], signer: Pick<Signer, 'sign'>): void {
    this.#kept = kept;
    this.#signer = signer;
    this.#notify();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#turn);
  }

  #now(): number {
    return epochSeconds(this.#clock.now());
  }

  #notify(): void {
    for (const use of this.#followers) use(this.keys, this.#signer);
    clearTimeout(this.#turn);
    const now = this.#now();
    const next = nextTurn(this.#kept, now, this.#retainSeconds);
    if (next === undefined || this.#isClosed) return;
    this.#turn = setTimeout(() => this.#notify(), Math.min(next - now, MAX_TIMER_SECONDS) * 1000).unref();
  }
}
