import { isRefusal } from '../../errors.ts';
import type { AccessToken, StatusReference } from './access-token.ts';

/** A token and how long, in milliseconds since the epoch, its proof may be used again. */
export interface ProvenToken extends Omit<AccessToken, 'status'> {
  readonly until: number;
  /** When it is worth proving it anew in the background, so that no request waits; undefined for never. */
  readonly renewFrom?: number;
  /** `asked`: the issuer itself said a moment ago that the token lives. */
  readonly status: StatusReference | 'asked' | undefined;
}

export interface ProvenTokens {
  /** What is remembered of the token, if it may still be used. */
  find(token: string, now: number): ProvenToken | undefined;
  /** The same, or a new proof. Many callers with one token cause one proof. */
  prove(token: string, now: number): Promise<ProvenToken>;
  /** Begins a new proof if none is under way. A failure shows when a request needs the proof. */
  renew(token: string): void;
}

export interface ProvenTokensOptions {
  readonly prove: (token: string) => Promise<ProvenToken>;
  readonly maxTokens: number;
  readonly maxBytes: number;
}

/** What an entry weighs besides the token itself: measured by test/bench/resource.ts, rounded up. */
const ENTRY_BYTES = 1200;

/**
 * Remembers what was proved, never a refusal: those would let strangers fill the memory. The key is the token
 * itself: hashing it would cost more than all other work of a warm decision. The oldest make room.
 */
export function createProvenTokens(options: ProvenTokensOptions): ProvenTokens {
  const remembered = new Map<string, ProvenToken>();
  const proving = new Map<string, Promise<ProvenToken>>();
  let bytes = 0;

  const forget = (token: string) => {
    if (remembered.delete(token)) bytes -= token.length + ENTRY_BYTES;
  };
  const remember = (token: string, proven: ProvenToken) => {
    forget(token);
    remembered.set(token, proven);
    bytes += token.length + ENTRY_BYTES;
    for (const oldest of remembered.keys()) {
      if (remembered.size <= options.maxTokens && bytes <= options.maxBytes) break;
      forget(oldest);
    }
  };
  const find = (token: string, now: number) => {
    const known = remembered.get(token);
    if (known === undefined || known.until > now) return known;
    forget(token);
    return undefined;
  };
  const prove = async (token: string) => {
    const proven = await options.prove(token);
    remember(token, proven);
    return proven;
  };

  const proveOnce = (token: string): Promise<ProvenToken> => {
    const pending = proving.get(token) ?? prove(token).finally(() => proving.delete(token));
    proving.set(token, pending);
    return pending;
  };

  return {
    find,
    renew(token) {
      if (proving.has(token)) return;
      proveOnce(token).catch((error: unknown) => {
        if (!isRefusal(error, 'ERR_TOKEN_INTROSPECTION_UNAVAILABLE')) forget(token);
      });
    },
    prove(token, now) {
      const known = find(token, now);
      return known === undefined ? proveOnce(token) : Promise.resolve(known);
    },
  };
}
