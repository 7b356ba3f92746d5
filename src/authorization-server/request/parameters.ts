import { OpenBankingError } from '../../errors.ts';
import { isThumbprint } from './dpop-proof.ts';
import { isDeepJson, isDeepJwt, NESTING_RULE } from './nesting.ts';
import { ENDPOINTS } from './routes.ts';

/**
 * Parameters of standards that this server does not support, by endpoint: each changes what the caller asks for, so that
 * an answer without it would mislead. Every other unknown parameter is ignored, as RFC 6749 §3.1 and §3.2 demand.
 * `acr_values`, `display`, `ui_locales`, `claims_locales` and `login_hint` stay: OpenID Connect Core §3.1.2.1 and §15.1
 * make them wishes, which must not lead to an error. `id_token_hint` names a customer by a token whose key may be over: the
 * claim `sub` with a value does the same.
 */
export const UNSUPPORTED_AUTHORIZATION_PARAMETERS: readonly string[] = [
  // RFC 9126 §2.1
  'request_uri',
  // OpenID Connect Core §7.2.1
  'registration',
  'id_token_hint',
];
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  [ENDPOINTS.pushed_authorization_request]: UNSUPPORTED_AUTHORIZATION_PARAMETERS,
  // RFC 9101 §5: the signed request is sent by value.
  [ENDPOINTS.backchannel_authentication]: ['request_uri'],
  [ENDPOINTS.token]: ['dpop_jkt', 'claims', 'grant_management_action'],
};

/** More than a request of any standard has. */
const MAX_PARAMETERS = 64;
/** Longest value, in characters: a pushed request is kept, and one client must not fill the store with few of them. */
export const MAX_PARAMETER_LENGTH = 2048;
/** Values that are signed documents. */
const LONGER: Readonly<Record<string, number>> = {
  client_assertion: 16_384,
  token: 16_384,
  request: 16_384,
  claims: 4096,
  authorization_details: 16_384,
};

const IS_DEEP: ReadonlyMap<string, (value: string) => boolean> = new Map([
  ['client_assertion', isDeepJwt],
  ['request', isDeepJwt],
  ['claims', isDeepJson],
  ['authorization_details', isDeepJson],
]);

/** RFC 8707 §2: the only parameter that may be there more than once. */
const REPEATABLE = 'resource';

/**
 * The rules of a form's parameters that the provider does not have. A parameter without a value counts as absent
 * (RFC 6749 §3.2).
 *
 * @throws ERR_REQUEST_INVALID, ERR_AUTHORIZATION_DETAILS, ERR_CIBA_REQUEST, ERR_CLIENT_METHOD, ERR_PARAMETER_UNSUPPORTED, ERR_SCOPE_MISSING
 */
export function assertParameters(path: string, form: URLSearchParams): void {
  const seen = new Set<string>();
  if (form.size > MAX_PARAMETERS) throw invalid(`there are more than ${MAX_PARAMETERS} parameters`);
  for (const [name, value] of form) {
    const longest = LONGER[name] ?? MAX_PARAMETER_LENGTH;
    if (value.length > longest) throw invalid(`${name.slice(0, 100)} is longer than ${longest} characters`);
    if (seen.has(name) && name !== REPEATABLE) {
      throw invalid(`${name.slice(0, 100)} must not be there more than once (RFC 6749 section 3.2)`);
    }
    if (IS_DEEP.get(name)?.(value) === true) throw invalid(`${name} ${NESTING_RULE}`);
    seen.add(name);
  }
  if (form.get('client_secret')) {
    throw new OpenBankingError('ERR_CLIENT_METHOD', { problem: 'client_secret is a parameter' });
  }
  if (form.get('client_assertion_type') && !form.get('client_assertion')) {
    throw new OpenBankingError('ERR_CLIENT_METHOD', { problem: 'client_assertion is missing' });
  }
  const name = UNSUPPORTED[path]?.find((one) => form.get(one));
  if (name !== undefined) throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name });
  if (isEmptyList(form.get('authorization_details'))) {
    throw new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem: 'the list is empty' });
  }
  // No customer has allowed a client something for itself.
  if (form.get('grant_type') === 'client_credentials' && form.get('authorization_details')) {
    throw new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name: 'authorization_details' });
  }
  if (path === ENDPOINTS.backchannel_authentication && !form.get('request')) {
    throw new OpenBankingError('ERR_CIBA_REQUEST', { problem: 'the request is not signed' });
  }
  const thumbprint = form.get('dpop_jkt');
  if (thumbprint && !isThumbprint(thumbprint)) {
    throw invalid('dpop_jkt must be the SHA-256 thumbprint of a key (RFC 9449 section 10)');
  }
  // RFC 6749 §3.3: there is no default, because a token without a scope opens nothing. A request object has its own.
  const isPush = path === ENDPOINTS.pushed_authorization_request;
  // Authorization details say it too (RFC 9396 §3).
  const isNaming = ['scope', 'authorization_details', 'request'].some((name) => form.get(name));
  if (isPush && !isNaming) {
    throw new OpenBankingError('ERR_SCOPE_MISSING', {});
  }
}

/** The provider takes an empty list for none (RFC 9396 §2 has no such request). */
export function isEmptyList(details: unknown): boolean {
  if (Array.isArray(details)) return details.length === 0;
  return typeof details === 'string' && /^\s*\[\s*\]\s*$/.test(details);
}

function invalid(problem: string): OpenBankingError<'ERR_REQUEST_INVALID'> {
  return new OpenBankingError('ERR_REQUEST_INVALID', { error: 'invalid_request', problem });
}
