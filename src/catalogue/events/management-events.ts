import { audited, counted, info, recorded, warn } from '../../event-levels.ts';

const CALL = ['requestId', 'listener', 'method', 'route', 'operator', 'role'] as const;

/** The events of the management API and the console. */
export const MANAGEMENT_EVENTS = {
  'management.changed': info(
    'an operator changed `target` for the stated reason',
    [...CALL, 'target', 'reason', 'outcome'],
    { ...recorded, ...counted('tallystick_management_changes_total', 'route') },
  ),
  'management.refused': warn(
    'a request to the management API or the console was refused',
    [...CALL, 'target', 'status', 'address', 'error'],
    { ...audited, ...counted('tallystick_management_refusals_total', 'error') },
  ),
  'management.entered': info(
    'an operator opened a session of the console, by `kind`',
    ['requestId', 'listener', 'operator', 'role', 'kind', 'address'],
    recorded,
  ),
  'management.activity.unshared': warn('the figures of the console were not shared with other processes', [
    'error',
  ]),
  'blocks.unread': warn('the blocks of the store cannot be read; the last known ones count', ['error']),
  'management.left': info('an operator ended a session of the console', ['requestId', 'operator'], recorded),
};
