import { audited, counted, debug, info, recorded, warn } from '../../event-levels.ts';

/** `psu` is absent until the customer has proved the first element. */
const CUSTOMER = ['requestId', 'clientId', 'authorizationNumber', 'scope', 'psu'] as const;

/** The events of a customer's authentication and decision. */
export const CUSTOMER_EVENTS = {
  'psu.authenticated': info(
    'a customer has authenticated; `outcome` has the methods',
    [...CUSTOMER, 'outcome'],
    { ...counted('tallystick_customer_authentications_total'), ...recorded },
  ),
  'psu.login.refused': warn('a customer sent wrong credentials', CUSTOMER, {
    ...counted('tallystick_login_refusals_total'),
    ...audited,
  }),
  'psu.login.blocked': warn('a customer failed too often and has to wait', CUSTOMER, {
    ...counted('tallystick_login_blocks_total'),
    ...audited,
  }),
  'psu.login.unmet': warn(
    'a login did not meet what the request demands of it',
    [...CUSTOMER, 'error'],
    audited,
  ),
  'psu.passkey.changed': info(
    'a customer has added or removed a passkey (`outcome`)',
    ['requestId', 'psu', 'outcome'],
    audited,
  ),
  'psu.claims.missing': warn(
    'the bank did not answer with claims about a customer: tokens went out without',
    ['clientId', 'error'],
  ),
  'psu.login.stopped': warn('an authorization ended after too many failed attempts to log in', CUSTOMER, {
    ...counted('tallystick_login_stops_total'),
    ...audited,
  }),
  'psu.login.changed': warn(
    'an authorization ended: the request was another one than the customer had seen',
    CUSTOMER,
    audited,
  ),
  'psu.login.impossible': warn(
    'an authorization ended: the customer has no element that the request needs',
    CUSTOMER,
    audited,
  ),
  'consent.granted': info('a customer consented', [...CUSTOMER, 'consentId'], {
    ...counted('tallystick_consents_granted_total'),
    ...recorded,
  }),
  'consent.denied': info('a customer cancelled', CUSTOMER, {
    ...counted('tallystick_consents_denied_total'),
    ...recorded,
  }),
  'ciba.asked': info('the bank asks a customer on a device', CUSTOMER, {
    ...counted('tallystick_ciba_requests_total'),
    ...audited,
  }),
  'ciba.not_asked': warn(
    'the bank could not ask a customer: the TPP gets `access_denied`',
    [...CUSTOMER, 'error'],
    audited,
  ),
  'ciba.unknown_customer': info(
    'a TPP sent a hint that names no customer',
    ['requestId', 'clientId', 'authorizationNumber'],
    { ...counted('tallystick_ciba_unknown_customers_total'), ...audited },
  ),
  'ciba.ping.sent': debug('a client was pinged', ['clientId'], counted('tallystick_ciba_pings_total')),
  'ciba.ping.failed': warn(
    'a client was not pinged, and has to poll; `url` is the host',
    ['clientId', 'url', 'error'],
    counted('tallystick_ciba_ping_failures_total'),
  ),
};
