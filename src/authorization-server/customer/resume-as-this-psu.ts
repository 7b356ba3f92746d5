import type { Context, Middleware } from 'koa';
import type { AdapterPayload, Provider } from 'oidc-provider';

/** Reads a record of the provider's now, for itself and for the next time that it asks for it in this request. */
export type ReadFirst = (
  ctx: Pick<Context, 'state'>,
  model: string,
  id: string,
) => Promise<AdapterPayload | undefined>;

/**
 * A browser may still hold the session of another customer. The provider would then answer with a page that
 * needs a script; the session means nothing here, so it simply becomes the one of who logged in now.
 *
 * What the provider would ask for one after the other is read at once.
 */
export function resumeAsThisPsu(provider: Provider, readFirst: ReadFirst): Middleware {
  return async (ctx, next) => {
    const uid = /^\/authorize\/([\w-]+)$/.exec(ctx.path)?.[1];
    const cookie =
      uid === undefined ? undefined : ctx.cookies.get(provider.cookieName('session'), { signed: true });
    if (uid !== undefined && cookie !== undefined) {
      const [interaction, session] = await Promise.all([
        readFirst(ctx, 'Interaction', uid),
        readFirst(ctx, 'Session', cookie),
      ]);
      const { consent, login } = interaction?.result ?? {};
      if (consent?.grantId !== undefined) {
        // Nobody waits for these here: what they throw is thrown when the provider asks.
        void Promise.allSettled([
          readFirst(ctx, 'Grant', consent.grantId),
          readFirst(ctx, 'PushedAuthorizationRequest', String(interaction?.parJti)),
        ]);
      }
      const psuId = login?.accountId;
      if (psuId !== undefined && session?.accountId !== undefined && session.accountId !== psuId) {
        const own = await provider.Session.find(cookie);
        own?.loginAccount({ accountId: psuId, transient: true });
        await own?.persist();
        await readFirst(ctx, 'Session', cookie);
      }
    }
    await next();
  };
}
