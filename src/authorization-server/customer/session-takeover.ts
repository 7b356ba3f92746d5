import type { Context, Middleware } from 'koa';
import type { Interaction, Provider, Session } from 'oidc-provider';

/**
 * Gives the session of a browser to the customer who has logged in now. A browser may still hold the session of another
 * customer, which has no meaning here: every authorization has its own login. For such a session the provider would
 * answer with a page that needs a script.
 *
 * The proofs come first, and are those of the provider: the signed cookie of this authorization, whose end only the
 * browser that began it has, and the session that it began with. Without them the session stays as it is, and the
 * provider refuses the request.
 */
export function sessionTakeover(provider: Provider): Middleware {
  return async (ctx, next) => {
    const uid = /^\/authorize\/([\w-]+)$/.exec(ctx.path)?.[1];
    if (uid !== undefined && signedCookie(ctx, provider, 'resume') === uid)
      await takeOver(ctx, provider, uid);
    await next();
  };
}

async function takeOver(ctx: Context, provider: Provider, uid: string): Promise<void> {
  const cookie = signedCookie(ctx, provider, 'session');
  if (cookie === undefined) return;
  const [interaction, session] = await Promise.all([
    provider.Interaction.find(uid),
    provider.Session.find(cookie),
  ]);
  if (interaction === undefined || session === undefined || !isBegunWith(session, interaction)) return;
  const psuId = interaction.result?.login?.accountId;
  if (psuId === undefined || session.accountId === undefined || session.accountId === psuId) return;
  session.loginAccount({ accountId: psuId, transient: true });
  await session.persist();
}

function isBegunWith(session: Session, { session: first }: Interaction): boolean {
  return first?.uid === undefined || first.uid === session.uid;
}

function signedCookie(ctx: Context, provider: Provider, name: 'resume' | 'session'): string | undefined {
  return ctx.cookies.get(provider.cookieName(name), { signed: true });
}
