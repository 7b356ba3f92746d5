import type { Context } from 'koa';

/**
 * Lets go of a request as soon as its response is out; call it when nothing works at the request any more. The provider
 * gives each context an accessor whose closure V8 keeps until a major collection, and with it everything that the
 * context refers to: collections then take ten times as long. An emptied context keeps nothing. One without the accessor
 * needs no help.
 */
export function releaseAfterwards(ctx: Context): void {
  if (Object.getOwnPropertyDescriptor(ctx, 'oidc')?.get === undefined) return;
  ctx.res.once('close', () => {
    const { oidc } = ctx as { readonly oidc?: object };
    for (const holder of [oidc, ctx] as (Record<string, unknown> | undefined)[]) {
      if (holder === undefined) continue;
      for (const name of Object.keys(holder)) holder[name] = undefined;
    }
  });
}
