import { counted, info, warn } from '../../event-levels.ts';

/** The events of load. */
export const LOAD_EVENTS = {
  'server.overloaded': warn(
    'more requests come than can be served: those beyond `count` that wait are answered 503 at once',
    ['count'],
    counted('tallystick_overloads_total'),
  ),
  'server.relieved': info('no request was refused for five seconds; `count` were, in all', ['count']),
};
