import { limit, unavailable } from '../../error-classes.ts';

/** The refusals of load: limits of requests, and a server that has more to do than it can. */
export const LOAD_REFUSALS = {
  ERR_SERVER_OVERLOADED: unavailable<Record<never, never>>(
    'the server has more requests than it can answer at the moment: try again after Retry-After',
  ),
  ERR_ADDRESS_LIMIT: limit<{ limit: number; seconds: number }>(
    'this address sent more requests than one address may in a minute',
  ),
  ERR_TPP_LIMIT: limit<{ authorizationNumber: string; limit: number; seconds: number }>(
    'this TPP sent more requests than one TPP may in a minute',
  ),
};
