import type { Interaction, KoaContextWithOIDC, Provider, Session } from 'oidc-provider';
import { prepareSessions } from '../provider-internals.ts';

/**
 * Gives the session of a browser to the customer who has logged in for the authorization that goes on now. The browser may
 * hold the session of another customer, of an earlier authorization or of another tab, which has no meaning here: every
 * authorization has its own login. For such a session the provider would answer with a page that needs a script.
 *
 * The customer changes in this request alone, until the provider stores the session, and its identifier stays: two tabs
 * that go on at once cannot change the session for each other, and none of them ends it. A session opens nothing by
 * itself, so an old identifier is worth nothing.
 *
 * The proofs come first, and are those of the provider: the signed cookie of this authorization, whose end only the
 * browser that began it has, and the session that it began with. Without them the session stays as it is, and the
 * provider refuses the request.
 */
export function takeOverSessions(provider: Provider): void {
  prepareSessions(provider, async (ctx, session) => {
    const { accountId } = session;
    const uid = provedResume(ctx, provider);
    if (uid === undefined || accountId === undefined) return;
    const interaction = await provider.Interaction.find(uid);
    if (interaction === undefined || !isBegunWith(session, interaction)) return;
    session.resetIdentifier = () => {};
    const psuId = interaction.result?.login?.accountId;
    if (psuId !== undefined && psuId !== accountId) {
      session.loginAccount({ accountId: psuId, transient: true });
    }
  });
}

function isBegunWith(session: Session, { session: first }: Interaction): boolean {
  return first?.uid === undefined || first.uid === session.uid;
}

/** The interaction of the path, when the browser has its signed cookie. */
function provedResume(ctx: KoaContextWithOIDC, provider: Provider): string | undefined {
  const uid = /^\/authorize\/([\w-]+)$/.exec(ctx.path)?.[1];
  const cookie = ctx.cookies.get(provider.cookieName('resume'), { signed: true });
  return uid === cookie ? uid : undefined;
}
