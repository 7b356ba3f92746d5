import {
  claimNames,
  claimsOf,
  type ClaimTarget,
} from '../../request/authorization-request/claims-parameter.ts';
import type { CustomerClaim } from './customer-claims.ts';

export interface CustomerClaimRules {
  /** Claims about customers that this bank gives to TPPs. */
  readonly customerClaims: readonly CustomerClaim[];
}

type Params = Readonly<Record<string, unknown>>;

/** The claims about the customer that a request asks for, and that this bank gives. */
export function customerClaimsOf(
  params: Params,
  { customerClaims }: CustomerClaimRules,
  targets?: readonly ClaimTarget[],
): readonly string[] {
  const { scope } = params;
  if (typeof scope !== 'string' || !scope.split(' ').includes('openid')) return [];
  return claimNames(claimsOf(params), targets).filter((name) => customerClaims.some((one) => one === name));
}

/** The same, by the place where the customer allows them to be sent. */
export function allowedClaims(params: Params, rules: CustomerClaimRules) {
  return {
    idToken: customerClaimsOf(params, rules, ['id_token']),
    userinfo: customerClaimsOf(params, rules, ['userinfo']),
  };
}
