import { isRefusal } from '../../errors.ts';
import { SingleFlight } from '../../remote/single-flight.ts';
import type { AccessToken, StatusReference } from './access-token.ts';

/** A token and how long, in milliseconds since the epoch, its proof may be used again. */
export interface ProvenToken extends Omit<AccessToken, 'status'> {
  readonly until: number;
  /** From when a new proof is made in the background, so that no request waits. Undefined: never. */
  readonly renewFrom?: number;
  /** `asked`: the issuer itself answered a moment ago that the token is active. */
  readonly status: StatusReference | 'asked' | undefined;
}

export interface TokenCacheOptions {
  /** `caller` is the thumbprint of the certificate that came with the token, or of the DPoP key without one. */
  readonly prove: (token: string, caller: string) => Promise<ProvenToken>;
  readonly maxTokens: number;
  readonly maxBytes: number;
}

/** Bytes of an entry besides the token itself: measured by test/bench/resource.ts, rounded up. */
const ENTRY_BYTES = 1200;

/**
 * Tokens that were proved, never a refusal: refusals would let strangers fill the memory. The oldest entry makes room.
 * The key is the token itself: a hash would cost more than the rest of a cached decision.
 */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  readonly #entries = new Map<string, ProvenToken>();
  readonly #proofs = new SingleFlight<ProvenToken>();
  #bytes = 0;

  constructor(options: TokenCacheOptions) {
    this.#options = options;
  }

  /** The proof of the token that may still be used at `now`, in milliseconds since the epoch. */
  find(token: string, now: number): ProvenToken | undefined {
    const known = this.#entries.get(token);
    if (known === undefined || known.until > now) return known;
    this.#remove(token);
    return undefined;
  }

  /** The same, or a new proof. Many callers with one token cause one proof. @throws what `prove` throws */
  async prove(token: string, caller: string, now: number): Promise<ProvenToken> {
    return this.find(token, now) ?? this.#proveOnce(token, caller);
  }

  /** Starts a new proof unless one is under way. A token whose new proof fails is removed, unless the issuer is down. */
  renew(token: string, caller: string): void {
    this.#proveOnce(token, caller).catch((error: unknown) => {
      if (!isRefusal(error, 'ERR_TOKEN_INTROSPECTION_UNAVAILABLE')) this.#remove(token);
    });
  }

  #proveOnce(token: string, caller: string): Promise<ProvenToken> {
    return this.#proofs.run(async () => {
      const proven = await this.#options.prove(token, caller);
      this.#store(token, proven);
      return proven;
    }, token);
  }

  #store(token: string, proven: ProvenToken): void {
    this.#remove(token);
    this.#entries.set(token, proven);
    this.#bytes += token.length + ENTRY_BYTES;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#options.maxTokens && this.#bytes <= this.#options.maxBytes) break;
      this.#remove(oldest);
    }
  }

  #remove(token: string): void {
    if (this.#entries.delete(token)) this.#bytes -= token.length + ENTRY_BYTES;
  }
}
