import { bank, grant, limit, notFound, request, type WithProblem } from '../../error-classes.ts';

type None = Record<never, never>;
type OfConsent = { consentId: string };

/** The refusals of consents: consent/, authorization-server/customer/consent/. */
export const CONSENT_REFUSALS = {
  ERR_AUTHORIZATION_DETAILS: request(
    'the authorization details must be of the types of this server and of the client, without other members (RFC 9396 section 5)',
  ),
  ERR_CONSENT_REFERENCE: request(
    'a request must name what it asks for in one way, and the client must be registered for it',
  ),
  ERR_CONSENT_UNKNOWN: request<OfConsent>('there is no such consent of this client'),
  ERR_CONSENT_STATUS: request<OfConsent & { status: string }>(
    'the status of the consent does not allow this any more',
  ),
  ERR_CONSENT_CHANGED: request<OfConsent>(
    'the consent has changed since it was shown (RTS on strong customer authentication article 5(1))',
  ),
  ERR_CONSENT_CUSTOMER: grant<OfConsent>('the consent belongs to another customer'),
  ERR_GRANT_ACTION: request(
    'grant_management_action and grant_id do not follow the rules (Grant Management for OAuth 2.0 section 5.2)',
  ),
  ERR_GRANT_ID: request<None>(
    'the grant_id names no grant of this client that can be changed (Grant Management for OAuth 2.0 section 5.4)',
  ),
  ERR_GRANT_UNKNOWN: notFound<{ clientId: string }>(
    'the client has no such grant (Grant Management for OAuth 2.0 section 6.6)',
  ),
  ERR_DASHBOARD_FORM: request('the form is of no page that this session of the dashboard has shown'),
  ERR_DASHBOARD_BUSY: limit<{ seconds: number }>(
    'more logins to the dashboard were begun than may be in a minute (RFC 6585 section 4)',
  ),
  ERR_CONSENT_INVALID: bank<WithProblem>('a consent cannot have this content'),
};
