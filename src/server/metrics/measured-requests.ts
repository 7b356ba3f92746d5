import type { RequestHandler } from '../../mutual-tls/limits/admission.ts';
import { traceFieldsOf, tracing } from '../../tracing.ts';
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

/** The same handler, whose requests are timed from their head to the end of their answer, and have a span. */
export function measuredRequests(
  handler: RequestHandler,
  { listener, routeName }: MeasuredListener,
  metrics: Pick<Metrics, 'observe'>,
): RequestHandler {
  return tracedRequests(handler, { listener, routeName }, ({ route, status, seconds }) => {
    const labels = { listener, route, status: status === undefined ? CUT : String(status) };
    metrics.observe('tallystick_http_request_duration_seconds', labels, seconds);
  });
}

interface Answered {
  readonly route: string;
  /** Undefined for an answer that the caller did not wait for. */
  readonly status: number | undefined;
  readonly seconds: number;
}

/** The same handler, whose requests have a span. */
export function tracedRequests(
  handler: RequestHandler,
  { listener, routeName }: MeasuredListener,
  onAnswered: (answered: Answered) => void = () => undefined,
): RequestHandler {
  return (request, response) => {
    const startedAt = performance.now();
    const { method = '' } = request;
    const route = routeName(pathOf(request.url)) ?? OTHER;
    const fields = traceFieldsOf(request.headers);
    return tracing().request({ listener, method, route, fields }, (end) => {
      response.once('close', () => {
        const status = response.writableFinished ? response.statusCode : undefined;
        onAnswered({ route, status, seconds: (performance.now() - startedAt) / 1000 });
        end(status);
      });
      return handler(request, response);
    });
  };
}

function pathOf(target = ''): string {
  const end = target.indexOf('?');
  return end === -1 ? target : target.slice(0, end);
}
