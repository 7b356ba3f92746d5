import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { interactionPolicy as library } from '../provider-internals.ts';

const { Check, base } = library;

/**
 * The PSU logs in and consents anew for every authorization: a session that is still there proves nothing about
 * this request (RTS article 4). Before anything else the registry must still know the client's TPP.
 */
export function interactionPolicy(assertStanding: (client: Client) => unknown) {
  const policy = base();
  const login = policy.get('login');
  const consent = policy.get('consent');
  if (login === undefined || consent === undefined) throw new TypeError('the library has other prompts');
  login.checks.add(
    new Check('tpp_standing', 'the TPP is authorized', (ctx: KoaContextWithOIDC) => {
      if (ctx.oidc.client !== undefined) assertStanding(ctx.oidc.client);
      return Check.NO_NEED_TO_PROMPT;
    }),
    0,
  );
  login.checks.add(
    new Check('login_for_this_request', 'the PSU has to log in', (ctx: KoaContextWithOIDC) =>
      ctx.oidc.result?.login === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
    ),
  );
  consent.checks.add(
    new Check('consent_for_this_request', 'the PSU has to consent', (ctx: KoaContextWithOIDC) =>
      ctx.oidc.result?.consent === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
    ),
  );
  return policy;
}
