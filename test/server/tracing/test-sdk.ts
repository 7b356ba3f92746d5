import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import {
  type Attributes,
  type Context,
  context,
  type ContextManager,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  type SpanStatus,
  trace,
} from '@opentelemetry/api';

/** A span that was ended. */
export interface EndedSpan {
  readonly name: string;
  readonly attributes: Attributes;
  readonly status: SpanStatus | undefined;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | undefined;
}

/** An SDK in memory, registered as those of OpenTelemetry register themselves. */
export class TestSdk {
  readonly ended: EndedSpan[] = [];

  register(): void {
    trace.setGlobalTracerProvider({
      getTracer: () => ({
        startSpan: (name, options, from) => this.#start(name, options, from),
        startActiveSpan: () => {
          throw new TypeError('not used');
        },
      }),
    });
    context.setGlobalContextManager(contextManager());
  }

  unregister(): void {
    trace.disable();
    context.disable();
  }

  #start(name: string, { attributes: first = {} }: SpanOptions = {}, from: Context = context.active()): Span {
    const parent = trace.getSpanContext(from);
    const traceId = parent?.traceId ?? randomBytes(16).toString('hex');
    const spanId = randomBytes(8).toString('hex');
    const { traceState } = parent ?? {};
    const attributes: Attributes = { ...first };
    let status: SpanStatus | undefined;
    const span: Span = {
      spanContext: () => ({ traceId, spanId, traceFlags: 1, ...(traceState && { traceState }) }),
      setAttribute: (key, value) => {
        attributes[key] = value;
        return span;
      },
      setAttributes: (more) => {
        Object.assign(attributes, more);
        return span;
      },
      setStatus: (next) => {
        status = next;
        return span;
      },
      end: () => void this.ended.push({ name, attributes, status, traceId, spanId, parent: parent?.spanId }),
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      updateName: () => span,
      isRecording: () => true,
      recordException: () => undefined,
    };
    return span;
  }
}

function contextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (of, work, self, ...words) =>
      storage.run(of, () => work.apply(self as ThisParameterType<typeof work>, words)),
    bind: (_of, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}
