import { audited, counted, error, info, warn } from '../../event-levels.ts';
import { COPY_REFUSED, LOADED, NOT_LOADED } from './register-events.ts';

/** The events of the signing keys, wherever they are kept. */
export const SIGNING_EVENTS = {
  'signing-keys.loaded': info('a copy of the signing keys is in use', LOADED, audited),
  'signing-keys.refused': error(
    'a copy of the signing keys is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  'signing-keys.unfit': warn(
    'keys of the token or KMS cannot be used, and are left out',
    ['problems'],
    audited,
  ),
  'signing-keys.away': error(
    'the module or service that keeps the signing keys is away (`outcome`): no signature, 503 until it is back',
    ['outcome', 'error'],
    { ...counted('tallystick_signing_keys_away_total'), ...audited },
  ),
  'signing-keys.back': info('the module or service that keeps the signing keys answers again', [], audited),
  'signing-keys.rotated': info('`count` new signing keys were made on schedule', ['count'], audited),
  'signing-keys.not_rotated': error('the signing keys could not be rotated on schedule', ['error'], audited),
};
