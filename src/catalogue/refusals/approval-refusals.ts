import { bank, grant, limit, request } from '../../error-classes.ts';

type None = Record<never, never>;

/** The refusals of requests that a customer approves on a device (CIBA): authorization-server/ciba/. */
export const APPROVAL_REFUSALS = {
  ERR_CIBA_REQUEST: request(
    'the backchannel request does not follow the rules (CIBA Core section 7.1, FAPI-CIBA section 5.2.2)',
  ),
  ERR_CIBA_BINDING_MESSAGE: request<{ length: number }>(
    'the binding message must be 1 to 64 printable ASCII characters, with no space at its ends (CIBA Core section 7.1)',
  ),
  ERR_CIBA_UNKNOWN_CUSTOMER: request<None>('the hint names no customer (CIBA Core section 13)'),
  ERR_CIBA_USER_CODE_MISSING: request<None>(
    'the customer can be asked with a user code only (CIBA Core section 13)',
  ),
  ERR_CIBA_USER_CODE: request<None>('the user code is not that of the customer (CIBA Core section 13)'),
  ERR_CIBA_LIMIT: limit<{ clientId: string; limit: number; seconds: number }>(
    'the client has as many open requests for this customer as it may have',
  ),
  ERR_APPROVAL_PENDING: grant<None>('the customer has not answered yet (CIBA Core section 11)'),
  ERR_APPROVAL_SLOW_DOWN: grant<{ seconds: number }>(
    'the client polls more often than once in the interval (CIBA Core section 11)',
  ),
  ERR_APPROVAL_EXPIRED: grant<None>('the request ended before the customer answered (CIBA Core section 11)'),
  ERR_APPROVAL_DENIED: grant('the request was denied (CIBA Core section 11)'),
  ERR_APPROVAL_OVER: grant('there is no request any more that this answer belongs to'),
  ERR_APPROVAL_INVALID: bank('the answer of the bank does not fit the request'),
};
