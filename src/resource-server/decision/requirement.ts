import { OpenBankingError } from '../../errors.ts';
import type { PspRole } from '../../../tpp-registry/record.ts';
import type { Authorization } from '../token/access-token.ts';

/** The requirement of a request. No scope means any live token that is bound to the presented certificate. */
export interface Requirement {
  readonly scopes: readonly string[];
  /** Roles that the TPP must hold besides (PSD2). Default: none, since scopes are cut to the roles already. */
  readonly roles?: readonly PspRole[];
  /** Authentication contexts of which the customer's login must have reached one (RFC 9470). Default: any. */
  readonly acr?: readonly string[] | undefined;
  /** Greatest age of the customer's login (RFC 9470). Default: any. */
  readonly maxAgeSeconds?: number | undefined;
}

/** Whether the authorization meets the requirement at `now`, in milliseconds since the epoch. */
export function isMet(requirement: Requirement, authorization: Authorization, now: number): boolean {
  const { scopes, roles } = authorization;
  return (
    requirement.scopes.every((scope) => scopes.includes(scope)) &&
    (requirement.roles === undefined || requirement.roles.every((role) => roles.includes(role))) &&
    authenticationProblem(requirement, authorization, now) === undefined
  );
}

/** @throws ERR_TOKEN_SCOPE, ERR_TPP_ROLE_MISSING, ERR_TOKEN_AUTHENTICATION */
export function verifyRequirement(requirement: Requirement, authorization: Authorization, now: number): void {
  const { scopes, roles } = authorization;
  if (!requirement.scopes.every((scope) => scopes.includes(scope))) {
    throw new OpenBankingError('ERR_TOKEN_SCOPE', { needed: requirement.scopes, held: scopes });
  }
  verifyRoles(requirement, roles, authorization.authorizationNumber ?? '');
  const problem = authenticationProblem(requirement, authorization, now);
  if (problem === undefined) return;
  const { acr: acrValues = [], maxAgeSeconds } = requirement;
  throw new OpenBankingError('ERR_TOKEN_AUTHENTICATION', { acrValues, maxAgeSeconds, problem });
}

/** When the customer's login becomes too old for the requirement, in milliseconds since the epoch. */
export function authenticatedUntil({ maxAgeSeconds }: Requirement, { authTime }: Authorization): number {
  if (maxAgeSeconds === undefined) return Number.POSITIVE_INFINITY;
  return authTime === undefined ? Number.NEGATIVE_INFINITY : authTime.getTime() + maxAgeSeconds * 1000;
}

function authenticationProblem(
  requirement: Requirement,
  authorization: Authorization,
  now: number,
): string | undefined {
  const { acr } = requirement;
  if (acr !== undefined && (authorization.acr === undefined || !acr.includes(authorization.acr))) {
    return 'the authentication was another one';
  }
  return authenticatedUntil(requirement, authorization) <= now ? 'the authentication is too old' : undefined;
}

/** @throws ERR_TPP_ROLE_MISSING for the first role of the requirement that is not held */
export function verifyRoles(
  { roles, scopes }: Requirement,
  held: readonly string[],
  authorizationNumber: string,
): void {
  const needed = roles?.find((role) => !held.includes(role));
  if (needed === undefined) return;
  const scope = scopes.join(' ');
  throw new OpenBankingError('ERR_TPP_ROLE_MISSING', { authorizationNumber, scope, needed, held });
}
