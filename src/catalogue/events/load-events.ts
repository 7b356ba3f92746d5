import { counted, info, warn } from '../../event-levels.ts';

/** The events of load. */
export const LOAD_EVENTS = {
  'server.overloaded': warn(
    'the event loop is late: requests beyond `count` in flight are answered 503 at once',
    ['count'],
    counted('tallystick_overloads_total'),
  ),
  'server.relieved': info('no request was refused for five seconds; `count` were, in all', ['count']),
};
