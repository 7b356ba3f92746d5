import type { KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';

/**
 * A lifetime that does not pass the end of the grant in use: neither a refresh nor a late exchange of the code
 * gives the TPP anything beyond what the customer agreed to. Synchronous: the provider does not await it.
 */
export function withinGrant(clock: Clock, ctx: KoaContextWithOIDC | undefined, seconds: number): number {
  const { exp } = (ctx?.oidc.entities.Grant ?? {}) as { readonly exp?: number };
  if (exp === undefined) return seconds;
  return Math.max(1, Math.min(seconds, exp - epochSeconds(clock.now())));
}
