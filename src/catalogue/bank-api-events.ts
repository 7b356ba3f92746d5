import { counted, info, recorded, warn } from '../event-levels.ts';

const CALL = ['requestId', 'listener', 'method', 'route', 'status', 'caller'] as const;

/** The events of the bank API and of the bank's application. */
export const BANK_API_EVENTS = {
  'bank.called': info('a caller of the bank API (`caller`) changed something', [...CALL], recorded),
  'bank.refused': warn(
    'a request to the bank API was refused',
    [...CALL, 'address', 'certificate', 'error'],
    counted('tallystick_bank_refusals_total', 'error'),
  ),
};
