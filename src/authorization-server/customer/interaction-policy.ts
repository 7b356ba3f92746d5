import type { KoaContextWithOIDC } from 'oidc-provider';
import type { AuthorisationStatus } from '../../tpp/authorisation-status.ts';
import { tppOf } from '../clients/registered-client.ts';
import { interactionPolicy as library } from '../provider-internals.ts';
import { asProviderError } from '../request/oauth-error.ts';

const { Check, base } = library;

/**
 * The PSU logs in and consents anew for every authorization: a session that is still there proves nothing about
 * this request (RTS article 4). Before anything else the client's TPP must still be authorised.
 */
export function interactionPolicy(authorisationStatus: AuthorisationStatus) {
  const policy = base();
  const login = policy.get('login');
  const consent = policy.get('consent');
  if (login === undefined || consent === undefined) throw new TypeError('the library has other prompts');
  login.checks.add(
    new Check('tpp_authorised', 'the TPP is authorised', (ctx: KoaContextWithOIDC) => {
      const { client } = ctx.oidc;
      if (client !== undefined) asProviderError(() => authorisationStatus.verify(tppOf(client)));
      return Check.NO_NEED_TO_PROMPT;
    }),
    0,
  );
  login.checks.add(requires('login', 'the PSU has to log in'));
  consent.checks.add(requires('consent', 'the PSU has to consent'));
  return policy;
}

function requires(prompt: 'login' | 'consent', description: string) {
  return new Check(`${prompt}_for_this_request`, description, (ctx: KoaContextWithOIDC) =>
    ctx.oidc.result?.[prompt] === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
  );
}
