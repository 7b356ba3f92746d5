import { AsyncLocalStorage } from 'node:async_hooks';
import type { IncomingHttpHeaders } from 'node:http';

/** The fields of W3C Trace Context, as they came and were found good, or as they are sent. */
export interface TraceFields {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** Facts of a span: no secret, nothing that names a customer. */
export type SpanFacts = Readonly<Record<string, string | number>>;

export interface TracedRequest {
  readonly listener: string;
  readonly method: string;
  /** The name of the route, not the path. */
  readonly route: string;
  readonly fields: TraceFields;
}

/** Work that a span stands for. `note` adds facts to the span. */
export type TracedWork<T> = (note: (facts: SpanFacts) => void) => Promise<T>;

/** The traces of this process. */
export interface Tracing {
  /** Whether spans are made. Otherwise trace fields of a request are only passed on. */
  readonly hasSpans: boolean;
  /** Returns the result of the handler of a request, which calls `end` once with the status of the answer. */
  request<T>(request: TracedRequest, handle: (end: (status: number | undefined) => void) => T): T;
  /** Runs work in a span of its own, as a part of the present one. */
  span<T>(name: string, facts: SpanFacts, work: TracedWork<T>): Promise<T>;
  /** Adds facts to the present span. */
  note(facts: SpanFacts): void;
  /** The fields by which another system joins the present trace. */
  fields(): TraceFields;
  /** The present trace; undefined outside any. */
  traceId(): string | undefined;
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=$|-)/;
const TRACEPARENT_LENGTH = 55;
/** Of which a system passes on at least 512 characters, and at most 32 members (W3C Trace Context §3.3.1). */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;
const MAX_MEMBERS = 32;
const NO_FIELDS: TraceFields = Object.freeze({});

/** The trace fields of a request; none where `traceparent` is missing or no such field (W3C Trace Context §3.2). */
export function traceFieldsOf({ traceparent, tracestate }: IncomingHttpHeaders): TraceFields {
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return NO_FIELDS;
  // Of a later version the first four parts are read, and passed on as the version that is known.
  const isKnown = traceparent.startsWith('00-');
  if (isKnown && traceparent.length > TRACEPARENT_LENGTH) return NO_FIELDS;
  const read = isKnown ? traceparent : `00${traceparent.slice(2, TRACEPARENT_LENGTH)}`;
  const isGood =
    typeof tracestate === 'string' &&
    TRACESTATE.test(tracestate) &&
    tracestate.split(',').length <= MAX_MEMBERS;
  return isGood ? { traceparent: read, tracestate } : { traceparent: read };
}

/** Makes no spans: the fields of a request are passed on as they came. */
class PassedOnTraces implements Tracing {
  readonly hasSpans = false;
  readonly #fields = new AsyncLocalStorage<TraceFields>();

  request<T>({ fields }: TracedRequest, handle: (end: () => void) => T): T {
    // Also without fields: a pipelined request begins in the context of the one before.
    return this.#fields.run(fields, handle, () => undefined);
  }

  span<T>(_name: string, _facts: SpanFacts, work: TracedWork<T>): Promise<T> {
    return work(() => undefined);
  }

  note(): void {}

  fields(): TraceFields {
    return this.#fields.getStore() ?? NO_FIELDS;
  }

  traceId(): string | undefined {
    return this.#fields.getStore()?.traceparent?.slice(3, 35);
  }
}

let current: Tracing = new PassedOnTraces();

/** The traces of this process: one for all its servers, as the SDK of a bank is one for the process. */
export function tracing(): Tracing {
  return current;
}

/** Replaces the traces of this process; returns the ones before. */
export function useTracing(next: Tracing): Tracing {
  const before = current;
  current = next;
  return before;
}
