import { audited, counted, info, recorded, warn } from '../../event-levels.ts';

/** The events of consents. */
export const CONSENT_EVENTS = {
  'consent.changed': info(
    'a consent was made, or has another content, authorisation or status (`outcome`); `kind` is who changed it: customer, TPP, bank or server',
    ['clientId', 'authorizationNumber', 'consentId', 'psu', 'kind', 'outcome'],
    { ...counted('tallystick_consent_changes_total', 'outcome'), ...recorded },
  ),
  'dashboard.login': info(
    'a customer logged in to the dashboard; `outcome` has the methods',
    ['requestId', 'psu', 'outcome'],
    { ...counted('tallystick_dashboard_logins_total'), ...audited },
  ),
  'dashboard.access.ended': info(
    'a customer ended an access at the dashboard',
    ['requestId', 'clientId', 'authorizationNumber', 'consentId', 'psu'],
    { ...counted('tallystick_dashboard_ends_total'), ...recorded },
  ),
  'dashboard.accounts.unnamed': warn(
    'the bank did not name the accounts of a customer: the dashboard shows none',
    ['error'],
  ),
  'grant.revoked': info(
    'a TPP ended one of its grants (Grant Management)',
    ['requestId', 'clientId', 'authorizationNumber', 'consentId', 'psu'],
    { ...counted('tallystick_grants_revoked_total'), ...recorded },
  ),
  'consent.use.unrecorded': warn('the day of the last use of consents cannot be written', ['error']),
};
