import { audited, counted, error, info, warn } from '../../event-levels.ts';

/** Fields of the events of a followed file. */
export const LOADED = ['file', 'count'] as const;
export const NOT_LOADED = ['file', 'problems', 'error'] as const;
/** A copy that was refused, while the last good one stays. */
export const COPY_REFUSED = { ...counted('tallystick_file_refusals_total'), ...audited };

/** The events of registers and trusted lists. */
export const REGISTER_EVENTS = {
  'eba-register.loaded': info('a copy of the EBA register is in use', LOADED, audited),
  'eba-register.refused': error(
    'the file of the EBA register is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  'eba-register.renewed': info(
    'the newest copy of the EBA register was fetched and proved',
    ['count', 'since'],
    audited,
  ),
  'eba-register.not-renewed': warn(
    'the EBA register cannot be fetched or proved; the last good copy stays',
    ['url', 'file', 'error'],
    audited,
  ),
  'uk-directory.loaded': info('a copy of the UK directory is in use', LOADED, audited),
  'uk-directory.refused': error(
    'the file of the UK directory is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
  'uk-directory.renewed': info('every participant of the UK directory was read', ['count'], audited),
  'uk-directory.incomplete': warn(
    'the UK directory has participants, roles or numbers that cannot be used: they grant nothing',
    ['count', 'problems'],
    audited,
  ),
  'uk-directory.not-renewed': warn(
    'the UK directory cannot be read; the last good copy stays',
    ['url', 'file', 'error'],
    audited,
  ),
  'registry.overdue': error('a register was not renewed for too long', ['kind', 'since', 'outcome'], audited),
  'trusted-list.renewed': info('a trusted list was fetched and proved', ['kind', 'count'], audited),
  'trusted-list.not-renewed': warn(
    'a trusted list cannot be fetched or proved; the last good one stays',
    ['kind', 'url', 'file', 'error'],
    audited,
  ),
  'trusted-list.issuer.withdrawn': warn(
    'a service is no longer granted for website authentication: its certificates get no new tokens',
    ['kind', 'issuer'],
    audited,
  ),
  'trusted-list.overdue': error(
    'a trusted list is beyond its next update, or too long unfetched',
    ['kind', 'since', 'outcome'],
    audited,
  ),
  'trusted-lists.loaded': info('a copy of what trusted lists prove is in use', LOADED, audited),
  'trusted-lists.refused': error(
    'a copy of what trusted lists prove is bad; the last good one stays',
    NOT_LOADED,
    COPY_REFUSED,
  ),
};
