import { STANDARD_SCOPES } from '../../consent/details/detail-types.ts';
import type { ProfileChoices } from './client-rules.ts';
import type { Profile, RegistrationProblem } from './profile.ts';

/**
 * Which types of authorization details a registration cannot have: one that the bank does not know, or whose scope the client
 * lacks. `detailScopes` has the types of the bank, by the scope that each opens.
 */
export function findDetailTypeProblems(
  client: Pick<ProfileChoices, 'consent_references' | 'authorization_details_types'> & {
    readonly scope: string;
  },
  profile: Pick<Profile, 'consentReferences'>,
  detailScopes: Readonly<Record<string, string>> = STANDARD_SCOPES,
): readonly RegistrationProblem[] {
  const path = 'authorization_details_types';
  const { [path]: types = [], consent_references: references = profile.consentReferences } = client;
  if (types.length > 0 && !references.includes('authorization_details')) {
    return [{ path, message: 'is for a client with authorization_details in consent_references' }];
  }
  const scopes = client.scope.split(' ');
  return types.flatMap((type) => {
    const scope = Object.hasOwn(detailScopes, type) ? detailScopes[type] : undefined;
    if (scope === undefined) return [{ path, message: `has ${type}, which is no type of this server` }];
    return scopes.includes(scope) ? [] : [{ path, message: `has ${type}: the client has no scope ${scope}` }];
  });
}
