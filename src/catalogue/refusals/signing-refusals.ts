import { unavailable } from '../../error-classes.ts';

/** The refusals of signing keys outside this program: authorization-server/signing/. */
export const SIGNING_REFUSALS = {
  ERR_SIGNING_UNAVAILABLE: unavailable(
    'the module or service that keeps the signing keys does not answer at present: try again',
  ),
};
