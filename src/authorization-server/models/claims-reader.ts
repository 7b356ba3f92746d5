import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Consent, Consents } from '../../consent/consent.ts';
import type { EntryAhead } from '../token-status/status-entries.ts';
import { holderOf, type TokenHolder } from '../token-status/token-holder.ts';
import type { TokenStatus } from '../token-status/token-status.ts';
import { provenTpp } from '../request/tpp-gate.ts';

/** What the claims of a token need of the store, being read while the provider still looks at the grant. */
export interface ClaimsAhead {
  readonly consent: Promise<Consent | undefined>;
  readonly entry: EntryAhead;
}

/** Begins early, at the token endpoint, what would be waited for later. Only reads, and what any request may cause. */
export interface ClaimsReader {
  /** The provider looks for a code or a refresh token. */
  onSearch(ctx: KoaContextWithOIDC): void;
  /** The provider has found a refresh token, and has not judged it. */
  onRefresh(ctx: KoaContextWithOIDC, token: FoundToken): void;
  of(ctx: object): ClaimsAhead | undefined;
}

interface FoundToken {
  readonly clientId?: string | undefined;
  readonly grantId?: string | undefined;
  /** Set when it was used. */
  readonly consumed?: unknown;
}

export function createClaimsReader(options: {
  readonly consents: Consents;
  readonly tokenStatus: TokenStatus;
}): ClaimsReader {
  const { consents, tokenStatus } = options;
  const requests = new WeakMap<object, ClaimsAhead>();
  return {
    onSearch(ctx) {
      const holder = holderIn(ctx);
      // It may fail before anybody waits for it.
      if (holder !== undefined) void Promise.allSettled([tokenStatus.prepare(holder)]);
    },
    onRefresh(ctx, { clientId, grantId, consumed }) {
      const holder = holderIn(ctx);
      const isUsable = holder?.clientId === clientId && consumed === undefined;
      if (holder === undefined || grantId === undefined || !isUsable) return;
      const consent = consents.findByGrant(grantId);
      void Promise.allSettled([consent]);
      requests.set(ctx, { consent, entry: tokenStatus.readAhead(holder, grantId) });
    },
    of: (ctx) => requests.get(ctx),
  };
}

/** Who authenticated at the token endpoint. */
function holderIn(ctx: KoaContextWithOIDC): TokenHolder | undefined {
  const [tpp, { client, route }] = [provenTpp(ctx), ctx.oidc];
  return route === 'token' && tpp !== undefined && client !== undefined
    ? holderOf(tpp, client.clientId)
    : undefined;
}
