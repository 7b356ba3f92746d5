import { appendFileSync } from 'node:fs';
import { NodeTracerProvider, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';

/*
 * The SDK of OpenTelemetry, registered as a bank does it: by `--import`, before the server. Spans go to the file that
 * SPANS_FILE names, one line each.
 */
const file = process.env.SPANS_FILE ?? '';
const exporter = {
  export: (spans: readonly ReadableSpan[], done: (result: { readonly code: number }) => void) => {
    for (const span of spans) appendFileSync(file, `${JSON.stringify(lineOf(span))}\n`);
    done({ code: 0 });
  },
  shutdown: () => Promise.resolve(),
};

function lineOf(span: ReadableSpan): object {
  const { name, kind, attributes, parentSpanContext } = span;
  const { traceId, spanId } = span.spanContext();
  return { name, kind, attributes, parent: parentSpanContext?.spanId, traceId, spanId };
}

new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
