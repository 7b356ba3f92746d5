import type { KoaContextWithOIDC } from 'oidc-provider';
import { OpenBankingError } from '../../../errors.ts';
import { asProviderError } from '../oauth-error.ts';

/** The actions of an authorization request (Grant Management for OAuth 2.0 §5.2). */
export const GRANT_ACTIONS = Object.freeze(['create', 'merge', 'replace'] as const);

/** The wish of a request, and the earlier grant that it is about. */
export type GrantAction =
  | { readonly action: 'create' }
  | { readonly action: 'merge' | 'replace'; readonly grantId: string };

/** Of a server with grant management. */
export interface GrantManagementRules {
  /** Whether every authorization request must have an action. */
  readonly isActionRequired: boolean;
}

/**
 * The provider's `extraParams`: the parameters of grant management, in pushed requests, request objects and addresses alike.
 * Without grant management, and in requests of CIBA, each of them is refused: an answer without it would mislead.
 */
export function grantManagementParameters(rules: GrantManagementRules | undefined) {
  return {
    grant_id: null,
    grant_management_action: (ctx: KoaContextWithOIDC) =>
      asProviderError(() => {
        const params = ctx.oidc.params ?? {};
        const isPossible = rules !== undefined && ctx.oidc.route !== 'backchannel_authentication';
        const name = PARAMETERS.find((one) => params[one] !== undefined);
        if (!isPossible && name !== undefined) {
          throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name });
        }
        const isMissing = grantActionOf(params) === undefined && rules?.isActionRequired === true;
        if (isPossible && isMissing) throw refused('grant_management_action is required here');
      }),
  };
}

const PARAMETERS = ['grant_management_action', 'grant_id'] as const;

/**
 * The action of a request; undefined for a request without one.
 *
 * Does not check that the client has the grant.
 *
 * @throws ERR_GRANT_ACTION
 */
export function grantActionOf(params: Readonly<Record<string, unknown>>): GrantAction | undefined {
  const { grant_management_action: action, grant_id: grantId } = params;
  if (action === undefined) {
    if (grantId === undefined) return undefined;
    throw refused('grant_id is there, and grant_management_action is not');
  }
  if (action === 'create') {
    if (grantId === undefined) return { action };
    throw refused('create makes a new grant, and there is a grant_id');
  }
  if (action !== 'merge' && action !== 'replace') throw refused('the action is not create, merge or replace');
  if (typeof grantId !== 'string') throw refused(`${action} needs a grant_id`);
  return { action, grantId };
}

function refused(problem: string): OpenBankingError<'ERR_GRANT_ACTION'> {
  return new OpenBankingError('ERR_GRANT_ACTION', { problem });
}
