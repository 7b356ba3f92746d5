import { info, warn } from '../event-levels.ts';

/** The events of consents. */
export const CONSENT_EVENTS = {
  'consent.changed': info('a consent has another status (`outcome`)', [
    'clientId',
    'authorizationNumber',
    'consentId',
    'outcome',
  ]),
  'consent.use.unrecorded': warn('the day of the last use of consents cannot be written', ['error']),
};
