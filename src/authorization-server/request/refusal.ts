import type { errors as libraryErrors } from 'oidc-provider';
import { isRefusal, type OpenBankingError } from '../../errors.ts';
import { errors } from '../provider-internals.ts';
import { oauthAnswer } from './oauth-error.ts';

/** A refusal as an error of the provider, so that the provider's endpoints and redirects carry it. */
export function providerError(error: OpenBankingError): libraryErrors.OIDCProviderError {
  const { status, body } = oauthAnswer(error);
  const wrapped = new errors.CustomOIDCProviderError(body.error, body.error_description);
  return Object.assign(wrapped, { status, statusCode: status, expose: true, cause: error });
}

/** Runs a decision, and throws its refusal as `providerError`. */
export function asProviderError<T>(decide: () => T): T {
  try {
    return decide();
  } catch (error) {
    throw isRefusal(error) ? providerError(error) : error;
  }
}
