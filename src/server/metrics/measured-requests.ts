import type { RequestListener } from 'node:http';
import { OTHER } from './label-values.ts';
import type { Metrics } from './metrics.ts';

/** A listener, and the names of its routes. */
export interface MeasuredListener {
  readonly listener: string;
  /** The name of the route of a path; undefined for a path that is no route. */
  readonly routeName: (path: string) => string | undefined;
}

/** The status of an answer that the caller did not wait for. */
const CUT = 'cut';

/** The same handler, whose requests are timed from their head to the end of their answer. */
export function measuredRequests(
  handler: RequestListener,
  { listener, routeName }: MeasuredListener,
  metrics: Pick<Metrics, 'observe'>,
): RequestListener {
  return (request, response) => {
    const startedAt = performance.now();
    response.once('close', () => {
      const status = response.writableFinished ? String(response.statusCode) : CUT;
      const route = routeName(pathOf(request.url)) ?? OTHER;
      const seconds = (performance.now() - startedAt) / 1000;
      metrics.observe('tallystick_http_request_duration_seconds', { listener, route, status }, seconds);
    });
    handler(request, response);
  };
}

function pathOf(target = ''): string {
  const end = target.indexOf('?');
  return end === -1 ? target : target.slice(0, end);
}
