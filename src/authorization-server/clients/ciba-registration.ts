import { algorithmOf } from '../profiles/client-rules.ts';
import { CIBA_GRANT, type RegisteredClient } from './registered-client.ts';

/** How a client of CIBA gets to know the answer (CIBA Core §5). */
export type DeliveryMode = 'poll' | 'ping';

export function isDeliveryMode(text: string): text is DeliveryMode {
  return text === 'poll' || text === 'ping';
}

type CibaMembers = Pick<
  RegisteredClient,
  | 'grant_types'
  | 'jwks'
  | 'jwks_uri'
  | 'scope'
  | 'backchannel_token_delivery_mode'
  | 'backchannel_client_notification_endpoint'
  | 'backchannel_authentication_request_signing_alg'
  | 'backchannel_user_code_parameter'
>;

/** Members of a registration that are of CIBA alone. */
export const CIBA_MEMBERS = [
  'backchannel_token_delivery_mode',
  'backchannel_client_notification_endpoint',
  'backchannel_authentication_request_signing_alg',
  'backchannel_user_code_parameter',
] as const;

/**
 * The faults in the registration of a client for CIBA (CIBA Core §4, FAPI-CIBA §5.2.2). `allowed` has the ways that the
 * bank offers.
 */
export function findCibaProblems(
  client: CibaMembers,
  allowed: readonly DeliveryMode[] = [],
): readonly { readonly path: string; readonly message: string }[] {
  const problem = (path: string, message: string) => [{ path, message }];
  const {
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: endpoint,
    jwks,
    jwks_uri: address,
    scope,
    backchannel_authentication_request_signing_alg: algorithm,
  } = client;
  if (!client.grant_types.includes(CIBA_GRANT)) {
    const stray = CIBA_MEMBERS.find((name) => client[name] !== undefined);
    return stray === undefined ? [] : problem(stray, `is for a client with the grant ${CIBA_GRANT}`);
  }
  if (allowed.length === 0) return problem('grant_types', 'has the grant of CIBA, and ciba.enabled is false');
  if (mode === undefined) return problem('backchannel_token_delivery_mode', `is required for ${CIBA_GRANT}`);
  if (!allowed.includes(mode)) {
    return problem('backchannel_token_delivery_mode', `must be ${allowed.join(' or ')} (ciba.deliveryModes)`);
  }
  if (jwks === undefined && address === undefined) {
    return problem(
      'jwks',
      `or jwks_uri is required for ${CIBA_GRANT}: each request is signed (FAPI-CIBA §5.2.2)`,
    );
  }
  if (algorithm !== undefined && jwks?.keys.some((key) => algorithmOf({ ...key }) === algorithm) === false) {
    return problem(
      'backchannel_authentication_request_signing_alg',
      `is ${algorithm}: no key of jwks signs it`,
    );
  }
  if (!scope.split(' ').includes('openid')) {
    return problem('scope', `must have openid for ${CIBA_GRANT} (CIBA §7.1)`);
  }
  if (mode === 'poll') {
    return endpoint === undefined
      ? []
      : problem('backchannel_client_notification_endpoint', 'is for the delivery mode ping');
  }
  const fault =
    endpoint === undefined ? 'is required for the delivery mode ping' : findEndpointProblem(endpoint);
  return fault === undefined ? [] : problem('backchannel_client_notification_endpoint', fault);
}

/** https only: the request carries a bearer token (CIBA §4). */
function findEndpointProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || text.length > 2048 || /[^\x21-\x7e]/.test(text)) return 'must be a URL';
  if (url.protocol !== 'https:') return 'must be an https URL (CIBA §4)';
  if (text.includes('#')) return 'must not have a fragment';
  if (url.username !== '' || url.password !== '') return 'must not have a user name or a password';
  return undefined;
}
