import { audited, counted, error, info, recorded, warn } from '../../event-levels.ts';

const CALL = ['requestId', 'listener', 'method', 'route', 'status', 'caller'] as const;

const CUSTOMER = ['requestId', 'clientId', 'authorizationNumber', 'scope'] as const;

/** The events of the bank API and of the bank's application. */
export const BANK_API_EVENTS = {
  'bank.called': info('a caller of the bank API (`caller`) changed something', [...CALL], recorded),
  'bank.refused': warn(
    'a request to the bank API was refused',
    [...CALL, 'address', 'certificate', 'error'],
    { ...counted('tallystick_bank_refusals_total', 'error'), ...audited },
  ),
  'bank_app.sent': info('a customer was sent to the application of the bank, for the `count`th time', [
    ...CUSTOMER,
    'count',
  ]),
  'bank_app.returned': info(
    'a customer came back from the application of the bank (`outcome`)',
    [...CUSTOMER, 'psu', 'outcome'],
    audited,
  ),
  'bank.webhook.failed': warn(
    'the change `count` could not be delivered to an address of the bank: tried again after `seconds`',
    ['url', 'count', 'seconds', 'error'],
    counted('tallystick_bank_webhook_failures_total', 'error'),
  ),
  'bank.webhook.dropped': error(
    'an address of the bank refused the change `count` time and again: the change is left out',
    ['url', 'consentId', 'count', 'status'],
  ),
};
