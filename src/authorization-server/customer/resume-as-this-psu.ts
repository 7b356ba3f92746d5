import type { Middleware } from 'koa';
import type { Provider } from 'oidc-provider';

/**
 * A browser may still hold the session of another customer. The provider would then answer with a page that
 * needs a script; the session means nothing here, so it simply becomes the one of who logged in now.
 */
export function resumeAsThisPsu(provider: Provider): Middleware {
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
