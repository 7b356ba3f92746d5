import type * as Api from '@opentelemetry/api';
import type { SpanFacts, TracedRequest, TracedWork, TraceFields, Tracing } from '../../tracing.ts';

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** The name that the conventions of OpenTelemetry have for any other method. */
const OTHER_METHOD = '_OTHER';

/** Spans through the API of OpenTelemetry, for the SDK that the bank has registered. */
export class OpenTelemetryTracing implements Tracing {
  readonly hasSpans = true;
  readonly #api: typeof Api;
  readonly #tracer: Api.Tracer;

  constructor(api: typeof Api, version: string) {
    this.#api = api;
    this.#tracer = api.trace.getTracer('tallystick', version);
  }

  /** Whether the SDK makes spans for this copy of the API. The span that asks is never ended, so never exported. */
  isHeard(): boolean {
    const { ROOT_CONTEXT, isSpanContextValid } = this.#api;
    return isSpanContextValid(this.#tracer.startSpan('probe', {}, ROOT_CONTEXT).spanContext());
  }

  request<T>(
    { listener, method, route, fields }: TracedRequest,
    handle: (end: (status: number | undefined) => void) => T,
  ): T {
    const { context, trace, SpanKind, SpanStatusCode } = this.#api;
    const known = METHODS.includes(method) ? method : OTHER_METHOD;
    const attributes = {
      'http.request.method': known,
      'http.route': route,
      'url.scheme': 'https',
      'tallystick.listener': listener,
    };
    const parent = this.#contextOf(fields);
    const span = this.#tracer.startSpan(`${known} ${route}`, { kind: SpanKind.SERVER, attributes }, parent);
    const end = (status: number | undefined) => {
      if (status !== undefined) span.setAttribute('http.response.status_code', status);
      if (status === undefined || status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    };
    return context.with(trace.setSpan(parent, span), handle, undefined, end);
  }

  async span<T>(name: string, attributes: SpanFacts, work: TracedWork<T>): Promise<T> {
    const { context, trace, SpanKind, SpanStatusCode } = this.#api;
    const present = context.active();
    const span = this.#tracer.startSpan(
      name,
      { kind: SpanKind.CLIENT, attributes: { ...attributes } },
      present,
    );
    const note = (facts: SpanFacts) => void span.setAttributes({ ...facts });
    try {
      return await context.with(trace.setSpan(present, span), work, undefined, note);
    } catch (error) {
      // Not the text of the error: that of another system may hold anything.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'ERR_UNEXPECTED';
      span.setAttribute('error.type', code.slice(0, 64));
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  }

  note(facts: SpanFacts): void {
    this.#api.trace.getActiveSpan()?.setAttributes({ ...facts });
  }

  fields(): TraceFields {
    const present = this.#present();
    if (present === undefined) return {};
    const { traceId, spanId, traceFlags, traceState } = present;
    const traceparent = `00-${traceId}-${spanId}-${(traceFlags & 0xff).toString(16).padStart(2, '0')}`;
    const tracestate = traceState?.serialize() ?? '';
    return tracestate === '' ? { traceparent } : { traceparent, tracestate };
  }

  traceId(): string | undefined {
    return this.#present()?.traceId;
  }

  #present(): Api.SpanContext | undefined {
    const { trace, isSpanContextValid } = this.#api;
    const present = trace.getActiveSpan()?.spanContext();
    return present !== undefined && isSpanContextValid(present) ? present : undefined;
  }

  /** Never the present context: a pipelined request begins in that of the one before. */
  #contextOf({ traceparent, tracestate }: TraceFields): Api.Context {
    const { ROOT_CONTEXT, trace, createTraceState } = this.#api;
    if (traceparent === undefined) return ROOT_CONTEXT;
    const [, traceId = '', spanId = '', flags = '00'] = traceparent.split('-');
    return trace.setSpanContext(ROOT_CONTEXT, {
      traceId,
      spanId,
      traceFlags: Number.parseInt(flags, 16),
      isRemote: true,
      ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
    });
  }
}
