import { audited, counted, error, info, warn } from '../../event-levels.ts';
import { COPY_REFUSED, LOADED, NOT_LOADED } from './register-events.ts';

/** The events of the certificates of the server. */
export const KEY_PAIR_EVENTS = {
  'key-pair.loaded': info('a certificate and its key are in use for new connections', LOADED, audited),
  'key-pair.refused': error(
    'a certificate and its key are bad; the last good pair stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  'key-pair.expiring': warn(
    'a certificate of the server expires in `seconds`, or has expired: reported at 30 days, and twice a day from 7 days on',
    ['file', 'seconds'],
  ),
  'key-pair.chain': warn('some clients will refuse the chain of a certificate of the server: `problems`', [
    'file',
    'problems',
  ]),
  'key-pair.revoked': error(
    'the certificate of the server has been revoked: clients that check it will refuse the server',
    ['file', 'certificateSerial', 'error'],
    audited,
  ),
  'key-pair.staple.failed': warn(
    'no OCSP answer about the certificate of the server can be had; the last good one is shown until its end',
    ['file', 'error'],
    counted('tallystick_staple_failures_total'),
  ),
};
