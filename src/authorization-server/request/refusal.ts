import type { errors as libraryErrors, KoaContextWithOIDC } from 'oidc-provider';
import type { OpenBankingError } from '../../errors.ts';
import { errors } from '../provider-internals.ts';
import { oauthAnswer } from './oauth-error.ts';

/** Our refusal in the provider's own clothes, so that its endpoints and redirects carry it. */
export function providerError(error: OpenBankingError): libraryErrors.OIDCProviderError {
  const { status, body } = oauthAnswer(error);
  const wrapped = new errors.CustomOIDCProviderError(body.error, body.error_description);
  return Object.assign(wrapped, { status, statusCode: status, expose: true, cause: error });
}

/** Notes the refusal for synchronous hooks, which can only answer false. */
export function noteRefusal(ctx: Pick<KoaContextWithOIDC, 'state'>, error: OpenBankingError): void {
  ctx.state.refusal ??= error;
}
