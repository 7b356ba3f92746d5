import { client, grant, notFound, request, type WithProblem } from '../../error-classes.ts';

type None = Record<never, never>;

/** The refusals of the management API and the console: management/. */
export const MANAGEMENT_REFUSALS = {
  ERR_MANAGEMENT_UNKNOWN: client<None>(
    'the caller is no operator: by a certificate, a token of tallystick console, or a session',
  ),
  ERR_MANAGEMENT_ROLE: client<{ operator: string; right: string }>(
    'no role of the operator allows this (docs/management.md)',
  ),
  ERR_MANAGEMENT_ORIGIN: request<{ origin: string }>(
    'a page of another origin sent the request, which only pages of the console may do',
  ),
  ERR_MANAGEMENT_FORM: request<None>('the form is not of the session of this browser, or is out of date'),
  ERR_MANAGEMENT_LINK: client('the one-time link is forged, out of date, or was used'),
  ERR_MANAGEMENT_LOGIN: client('the login at the OpenID provider of the bank did not name an operator'),
  ERR_MANAGEMENT_REQUEST: request<WithProblem & { member: string }>(
    'the request does not follow docs/management.openapi.json',
  ),
  ERR_MANAGEMENT_IDEMPOTENCY: request<None>('the Idempotency-Key was used for another change'),
  ERR_MANAGEMENT_RUNNING: grant<None>('a request with this Idempotency-Key is being carried out'),
  ERR_MANAGEMENT_VERSION_MISSING: request<None>(
    'a change names in If-Match the ETag of what it changes (RFC 9110 section 13.1.1, RFC 6585 section 3)',
  ),
  ERR_MANAGEMENT_VERSION: request<{ found: string }>(
    'If-Match names another version than the present one: read it again (RFC 9110 section 13.1.1)',
  ),
  ERR_MANAGEMENT_NOT_FOUND: notFound<{ kind: string; id: string }>('there is no such thing here'),
  ERR_MANAGEMENT_FIXED: grant<{ kind: string; id: string }>(
    'a file of the configuration has this: change the file',
  ),
  ERR_BLOCK_EXISTS: grant<{ id: string }>('there is a block of the same TPP or certificate'),
};
