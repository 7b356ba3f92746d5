import { client, grant, limit, request, type WithProblem } from '../../error-classes.ts';

type None = Record<never, never>;

/** The refusals of the bank API and of the bank's application: authorization-server/bank-api/. */
export const BANK_API_REFUSALS = {
  ERR_BANK_CALLER_UNKNOWN: client<None>(
    'the certificate is not of a caller of the bank API: of the CA and with a subject that the configuration names',
  ),
  ERR_BANK_CALLER_PART: client<{ caller: string; part: string }>(
    'the caller may not use this part of the bank API',
  ),
  ERR_BANK_REQUEST: request<WithProblem & { member: string }>(
    'the request does not follow docs/bank-api.openapi.json',
  ),
  ERR_BANK_IDEMPOTENCY: request<None>('the Idempotency-Key was used for another request'),
  ERR_BANK_HANDLE: grant<None>('the interaction handle is unknown, has been used, or has expired'),
  ERR_BANK_INTERACTION_OVER: grant<None>(
    'the interaction is over: it was decided, expired, or replaced by a newer one of the same browser',
  ),
  ERR_BANK_INTERACTION_STEP: request('the interaction has not come to this step, or is past the step'),
  ERR_BANK_ATTEMPTS: limit<{ seconds: number }>(
    'there were five failed attempts to authenticate (RTS on strong customer authentication article 4(3)(b))',
  ),
  ERR_BANK_RETURN: request<None>(
    'the browser that came back is not the browser in which the customer decided, or did not begin the authorization',
  ),
};
