import { PROFILES } from '../profiles/profiles.ts';

/** The one audience of a client assertion (FAPI 2.0 §5.3.2.1). */
export const AUDIENCE_RULE =
  'aud must be the issuer as a single string; no address of an endpoint, no list (FAPI 2.0 section 5.3.2.1)';

const ALGORITHMS = [...new Set(PROFILES.flatMap(({ clientAlgorithms }) => clientAlgorithms))].join(', ');

/**
 * The provider's texts about a client assertion, each by a part, in our words. The provider allows more audiences than our
 * rules do, and its text about them would lead astray. Texts about anything else are absent.
 */
const PROBLEMS: readonly (readonly [said: string, problem: string])[] = [
  ['audience', AUDIENCE_RULE],
  ['alg mismatch', `alg must be one of ${ALGORITHMS}`],
  ['sub (JWT subject)', 'sub is missing'],
  ['expiration must be specified', 'exp is missing'],
  ['unique jti', 'jti is missing'],
  ['iss (JWT issuer) must be provided', 'iss is missing'],
  ['iss (JWT issuer) must be the client_id', 'iss must be the client_id'],
  ['jwt expired', 'exp has passed'],
  ['jwt not active yet', 'nbf is in the future'],
  ['invalid exp value', 'exp must be a number'],
  ['invalid nbf value', 'nbf must be a number'],
  ['invalid iat value', 'iat must be a number'],
  ['invalid jti value', 'jti must be a string'],
  ['signature verification failed', 'the signature does not verify with a key of the client'],
  ['no applicable key found', 'no key that is registered for the client has this kid and alg'],
  ['must only be used once', 'jti has been used before'],
];

/** The fault of a client assertion that the provider found; undefined for every other text. */
export function assertionProblem(said: string): string | undefined {
  return PROBLEMS.find(([part]) => said.includes(part))?.[1];
}
