import { audited, error, info, warn } from '../../event-levels.ts';

/** The events of a configuration that is read again, on SIGHUP. */
export const CONFIGURATION_EVENTS = {
  'configuration.reloaded': info(
    'the configuration was read again; `settings` have changed and count from now on',
    ['file', 'settings'],
    audited,
  ),
  'configuration.restart_needed': warn(
    'the configuration was read again, and has changes that count after a restart only',
    ['file', 'problems'],
    audited,
  ),
  'configuration.refused': error(
    'the configuration was read again and is bad: every problem of it; the one in use stays',
    ['file', 'problems'],
    audited,
  ),
};
