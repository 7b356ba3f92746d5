import { PROFILES } from '../profiles/profiles.ts';

const ALGORITHMS = [...new Set(PROFILES.flatMap(({ clientAlgorithms }) => clientAlgorithms))].join(', ');

/**
 * The provider's texts about a client assertion, each by a part, in our words. Texts about anything else are absent.
 */
const PROBLEMS: readonly (readonly [said: string, problem: string])[] = [
  ['aud (JWT audience) must be provided', 'aud is missing'],
  // Every other list is judged by the rule of the profile (assertion-audience.ts).
  ['list of audience', 'aud must not be an empty list'],
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

/** The same of a request object (RFC 9101). */
const OBJECT_PROBLEMS: readonly (readonly [said: string, problem: string])[] = [
  ['jwt expired', 'exp has passed'],
  ['jwt not active yet', 'nbf is in the future'],
  ['invalid exp value', 'exp must be a number'],
  ['invalid nbf value', 'nbf must be a number'],
  ['invalid iat value', 'iat must be a number'],
  ['invalid jti value', 'jti must be a string'],
  ['jwt audience missing', 'aud must be, or hold, the issuer'],
  ['invalid aud value', 'aud must be, or hold, the issuer'],
  ['jwt issuer invalid', 'iss must be the client_id'],
  ['invalid iss value', 'iss must be the client_id'],
  ['signature verification failed', 'the signature does not verify with a key of the client'],
  ['no applicable key found', 'no key that is registered for the client has this kid and alg'],
  ['unsupported signed request alg', `alg must be one of ${ALGORITHMS}`],
];

/** The fault of a request object that the provider found, in our words where the provider names it in its cause only. */
export function requestObjectProblem(said: string, cause: unknown): string {
  const detail = cause instanceof Error ? cause.message : '';
  return OBJECT_PROBLEMS.find(([part]) => detail.includes(part) || said.includes(part))?.[1] ?? said;
}
