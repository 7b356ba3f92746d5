import { client, limit, request, token, tpp, unavailable, type WithProblem } from '../../error-classes.ts';

type None = Record<never, never>;
/** `rule` names the rule of the statement with its section. */
type OfStatement = { rule: string; problem: string };

/** The refusals of registrations by TPPs: authorization-server/registration/. */
export const REGISTRATION_REFUSALS = {
  ERR_TPP_SEAL_TYPE: tpp<{ subject: string; found: string }>(
    'the certificate is not a certificate for electronic seals (EN 319 412-5 clause 4.2.3)',
  ),
  ERR_REGISTRATION_METADATA: request<{ member: string; problem: string }>(
    'a member of the registration cannot be accepted (RFC 7591 section 3.2.2)',
  ),
  ERR_REGISTRATION_REDIRECT_URI: request<WithProblem>(
    'a redirect URI of the registration cannot be accepted (RFC 7591 section 3.2.2)',
  ),
  ERR_REGISTRATION_STATEMENT: request<OfStatement>(
    'the statement of the registration is not valid (RFC 7591 section 3.2.2)',
  ),
  ERR_REGISTRATION_UNAPPROVED: request<OfStatement>(
    'the statement of the registration is not one that this server approves (RFC 7591 section 3.2.2)',
  ),
  ERR_REGISTRATION_ACCESS: token<None>(
    'the registration access token is not one of this client, or the certificate is of another TPP (RFC 7592 section 2)',
  ),
  ERR_REGISTRATION_QUOTA: request<{ authorizationNumber: string; limit: number }>(
    'the TPP has as many clients as it may have',
  ),
  ERR_REGISTRATION_LIMIT: limit<{ authorizationNumber: string; limit: number; seconds: number }>(
    'the TPP has sent as many registration requests as it may send in an hour',
  ),
  ERR_REGISTRATION_CONFLICT: unavailable<{ clientId: string }>(
    'the registration was changed by another request at the same time: try again',
  ),
  ERR_SELF_CHECK_LIMIT: limit<{ limit: number; seconds: number }>(
    'more self-checks were asked for than may be in a minute (RFC 6585 section 4)',
  ),
  ERR_CLIENT_NOT_ACTIVE: client<{ clientId: string; status: string }>(
    'the client is registered, and the bank has not approved it or has disabled it',
  ),
};
