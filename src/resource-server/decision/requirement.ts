import { OpenBankingError } from '../../errors.ts';
import type { PspRole } from '../../../tpp-registry/record.ts';
import type { Authorization } from '../token/access-token.ts';

/** The requirement of a request. No scope means any live token that is bound to the presented certificate. */
export interface Requirement {
  readonly scopes: readonly string[];
  /** Roles that the TPP must hold besides (PSD2). Default: none, since scopes are cut to the roles already. */
  readonly roles?: readonly PspRole[];
}

/** Whether the authorization covers the requirement. */
export function isCovered(requirement: Requirement, { scopes, roles }: Authorization): boolean {
  return (
    requirement.scopes.every((scope) => scopes.includes(scope)) &&
    (requirement.roles === undefined || requirement.roles.every((role) => roles.includes(role)))
  );
}

/** @throws ERR_TOKEN_SCOPE, ERR_TPP_ROLE_MISSING */
export function verifyRequirement(requirement: Requirement, authorization: Authorization): void {
  const { scopes, roles } = authorization;
  if (!requirement.scopes.every((scope) => scopes.includes(scope))) {
    throw new OpenBankingError('ERR_TOKEN_SCOPE', { needed: requirement.scopes, held: scopes });
  }
  verifyRoles(requirement, roles, authorization.authorizationNumber ?? '');
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
