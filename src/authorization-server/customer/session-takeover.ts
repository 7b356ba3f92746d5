import type { Middleware } from 'koa';
import type { Provider } from 'oidc-provider';

/**
 * Gives the session of a browser to the customer who has logged in now. A browser may still hold the session of another
 * customer, which has no meaning here: every authorization has its own login. For such a session the provider would
 * answer with a page that needs a script.
 */
export function sessionTakeover(provider: Provider): Middleware {
  return async (ctx, next) => {
    const uid = /^\/authorize\/([\w-]+)$/.exec(ctx.path)?.[1];
    const cookie =
      uid === undefined ? undefined : ctx.cookies.get(provider.cookieName('session'), { signed: true });
    if (uid !== undefined && cookie !== undefined) {
      const [interaction, session] = await Promise.all([
        provider.Interaction.find(uid),
        provider.Session.find(cookie),
      ]);
      const psuId = interaction?.result?.login?.accountId;
      if (psuId !== undefined && session?.accountId !== undefined && session.accountId !== psuId) {
        session.loginAccount({ accountId: psuId, transient: true });
        await session.persist();
      }
    }
    await next();
  };
}
