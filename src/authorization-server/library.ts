import type * as typed from 'oidc-provider';
import * as libraryErrors from 'oidc-provider/lib/helpers/errors.js';
import * as libraryPolicy from 'oidc-provider/lib/helpers/interaction_policy/index.js';

/*
 * What we use of oidc-provider at run time, from the modules that define it. The package's index adds only a
 * warning, at every start, about a Node release that has not reached its LTS date.
 */
export { Provider } from 'oidc-provider/lib/provider.js';
export const errors: typeof typed.errors = libraryErrors;
export const interactionPolicy: typeof typed.interactionPolicy = libraryPolicy;
