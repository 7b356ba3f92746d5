import { describe, expect, it } from 'vitest';
import { traceFieldsOf, tracing } from '../src/tracing.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const GOOD = `00-${TRACE}-00f067aa0ba902b7-01`;

describe('the trace fields of a request (W3C Trace Context §3)', () => {
  it.each([
    ['a traceparent', GOOD, undefined, { traceparent: GOOD }],
    ['with a tracestate', GOOD, 'a=1,b=2', { traceparent: GOOD, tracestate: 'a=1,b=2' }],
    ['of a later version', `cc-${GOOD.slice(3)}-more`, undefined, { traceparent: GOOD }],
    ['a tracestate of 513 characters', GOOD, `a=${'x'.repeat(511)}`, { traceparent: GOOD }],
    ['a tracestate of 33 members', GOOD, Array(33).fill('a=1').join(), { traceparent: GOOD }],
    ['a tracestate with a line feed', GOOD, 'a=1\nb', { traceparent: GOOD }],
    ['a tracestate alone', undefined, 'a=1', {}],
    ['upper case', GOOD.toUpperCase(), undefined, {}],
    ['version ff', `ff-${GOOD.slice(3)}`, undefined, {}],
    ['a trace of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, undefined, {}],
    ['a parent of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`, undefined, {}],
    ['two fields', `${GOOD}, ${GOOD}`, undefined, {}],
    ['version 00 with more', `${GOOD}-more`, undefined, {}],
    ['100 kB', `${GOOD}${'-'.repeat(100_000)}`, undefined, {}],
    ['nothing', '', undefined, {}],
  ])('%s', (_title, traceparent, tracestate, expected) => {
    expect(traceFieldsOf({ traceparent, tracestate })).toEqual(expected);
  });
});

describe('without an SDK', () => {
  const request = { listener: 'mtls', method: 'POST', route: '/token' };

  it('the trace of a request is known to its work, and not to the next request that begins in it (N12)', async () => {
    expect(tracing().hasSpans).toBe(false);
    const seen: (string | undefined)[] = [];
    await new Promise<void>((resolve) => {
      tracing().request({ ...request, fields: { traceparent: GOOD } }, () => {
        setImmediate(() => {
          seen.push(tracing().traceId());
          expect(tracing().fields()).toEqual({ traceparent: GOOD });
          tracing().request({ ...request, fields: {} }, () => seen.push(tracing().traceId()));
          resolve();
        });
      });
    });
    expect(seen).toEqual([TRACE, undefined]);
    expect(tracing().traceId()).toBeUndefined();
  });
});
