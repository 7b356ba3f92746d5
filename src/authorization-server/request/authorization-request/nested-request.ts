import type { Middleware } from 'koa';
import { OpenBankingError } from '../../../errors.ts';
import { readForm } from '../form.ts';
import { isDeepJson, isDeepJwt, NESTING_RULE } from '../nesting.ts';
import { isPush } from '../tpp-gate.ts';

/**
 * Refuses a request object or a claims parameter that is nested too deep: at the authorization endpoint, where no form is
 * checked, and in a pushed request object that has been decrypted.
 *
 * @throws ERR_REQUEST_OBJECT, ERR_AUTHORIZATION_DETAILS, ERR_CLAIMS_INVALID
 */
export const refuseNesting: Middleware = async (ctx, next) => {
  const parameters = isPush(ctx) ? await readForm(ctx) : new URLSearchParams(ctx.querystring);
  const details = { problem: NESTING_RULE };
  if (isDeepJwt(parameters.get('request') ?? '')) throw new OpenBankingError('ERR_REQUEST_OBJECT', details);
  if (isDeepJson(parameters.get('authorization_details') ?? '')) {
    throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', details);
  }
  if (isDeepJson(parameters.get('claims') ?? '')) throw new OpenBankingError('ERR_CLAIMS_INVALID', details);
  return next();
};
