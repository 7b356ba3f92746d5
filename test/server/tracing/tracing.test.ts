import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { createLog } from '../../../src/log.ts';
import { Outbound } from '../../../src/remote/outbound.ts';
import { forwardTo } from '../../../src/resource-server/gateway/forwarding.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { tracedRequests } from '../../../src/server/metrics/measured-requests.ts';
import { startServer } from '../../../src/server/server.ts';
import { openTracing } from '../../../src/server/tracing/opened-tracing.ts';
import { silentLog } from '../../../src/events.ts';
import { type Tracing, tracing, useTracing } from '../../../src/tracing.ts';
import { type Bank, freePorts, openBank } from '../../durability/bank.ts';
import { Tpp } from '../../durability/tpp.ts';
import { TestSdk } from './test-sdk.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;

let sdk: TestSdk;
let before: Tracing;
beforeEach(() => {
  before = tracing();
  sdk = new TestSdk();
  sdk.register();
});
afterEach(() => {
  useTracing(before);
  sdk.unregister();
});

/** A server that answers with the trace fields that it was sent. */
async function echo(): Promise<string> {
  const server = createServer((request, response) => {
    const { traceparent, tracestate } = request.headers;
    response.end(JSON.stringify({ traceparent, tracestate }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a server with an SDK', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await openBank();
  });
  afterAll(() => bank.close());

  it('makes spans of requests and store operations, with refusals by code, and names the trace in the log', async () => {
    const lines: Record<string, unknown>[] = [];
    const log = createLog({ destination: { write: (line) => void lines.push(JSON.parse(line)) } });
    const ports = await freePorts();
    const more = { shutdown: { noticeSeconds: 0 }, accessToken: { format: 'opaque' } };
    const config = parseConfig(bank.configuration(ports, more), { source: 'x', folder: bank.folder });
    const server = await startServer(config, { aspsp: demoAspsp(), log });
    const tpp = new Tpp(bank);
    expect((await tpp.clientCredentials({ ports })).status).toBe(200);
    expect((await tpp.post({ ports }, '/token', { grant_type: 'nonsense' })).status).toBe(400);
    tpp.close();
    await vi.waitUntil(() => sdk.ended.filter(({ name }) => name === 'POST /token').length === 2);
    await server.close();
    const requests = sdk.ended.filter(({ name }) => name === 'POST /token');
    expect(requests.map(({ attributes }) => attributes)).toEqual([
      {
        'http.request.method': 'POST',
        'http.route': '/token',
        'url.scheme': 'https',
        'tallystick.listener': 'mtls',
        'http.response.status_code': 200,
      },
      expect.objectContaining({
        'http.response.status_code': 400,
        'error.type': expect.stringMatching(/^ERR_/),
      }),
    ]);
    const [issued] = requests;
    const stored = sdk.ended.filter(({ parent }) => parent === issued?.spanId);
    expect(stored.map(({ name }) => name)).toContain('store put');
    expect(lines.find(({ event }) => event === 'token.issued')).toMatchObject({ trace_id: issued?.traceId });
    expect(lines.find(({ event }) => event === 'tracing.started')).toBeDefined();
    expect(JSON.stringify(sdk.ended)).not.toMatch(/Bearer|eyJ|client_assertion/);
  }, 60_000);
});

describe('with an SDK', () => {
  beforeEach(() => openTracing(silentLog));

  it('a request joins the trace of its traceparent, and what follows from it is told the span', async () => {
    const api = await echo();
    const outbound = new Outbound({
      timeoutSeconds: 5,
      maxBytes: 1000,
      allowHttp: true,
      allowPrivateAddresses: true,
      passesTrace: true,
    });
    const handler = tracedRequests(
      (_request, response) => void outbound.fetchBytes(api).then(({ body }) => response.end(body)),
      { listener: 'bank', routeName: () => '/v1/consents/{consentId}' },
    );
    const server = createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(async () => {
      server.close();
      await outbound.close();
    });
    const { port } = server.address() as AddressInfo;
    const headers = { traceparent: TRACEPARENT, tracestate: 'bank=1' };
    const sent = (await (await fetch(`http://127.0.0.1:${port}/v1/consents/secret`, { headers })).json()) as {
      traceparent: string;
    };
    await vi.waitUntil(() => sdk.ended.length === 2);
    const [fetched, answered] = sdk.ended;
    expect(answered).toMatchObject({ name: 'GET /v1/consents/{consentId}', traceId: TRACE, parent: PARENT });
    expect(fetched).toMatchObject({ name: 'GET 127.0.0.1', traceId: TRACE, parent: answered?.spanId });
    expect(fetched?.attributes).toMatchObject({ 'http.response.status_code': 200 });
    expect(sent).toEqual({ traceparent: `00-${TRACE}-${fetched?.spanId}-01`, tracestate: 'bank=1' });
    expect(JSON.stringify(sdk.ended)).not.toContain('secret');
  });

  it('a bad traceparent begins a new trace', async () => {
    tracing().request({ listener: 'mtls', method: 'BREW', route: 'other', fields: {} }, (end) => end(501));
    expect(sdk.ended).toMatchObject([{ name: '_OTHER other', parent: undefined, status: { code: 2 } }]);
    expect(sdk.ended[0]?.traceId).not.toBe(TRACE);
  });

  it('a strange server is told no trace', async () => {
    const outbound = new Outbound({
      timeoutSeconds: 5,
      maxBytes: 1000,
      allowHttp: true,
      allowPrivateAddresses: true,
    });
    const { body } = await outbound.fetchBytes(await echo());
    await outbound.close();
    expect(JSON.parse(body.toString())).toEqual({});
  });
});

describe('the gateway', () => {
  const forwarded = async (headers: Readonly<Record<string, string>>) => {
    const forward = forwardTo({ origin: await echo() });
    const handler = tracedRequests(
      (request, response) =>
        void forward(request, response, {
          identity: {},
          answer: { 'x-fapi-interaction-id': 'i', 'cache-control': 'no-store' },
        }),
      { listener: 'gateway', routeName: () => undefined },
    );
    const server = createServer(handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    return (await fetch(`http://127.0.0.1:${port}/`, { headers })).json();
  };

  it('passes a good traceparent on to the API as it came, where there is no SDK, and drops a bad one', async () => {
    const fields = { traceparent: TRACEPARENT, tracestate: 'tpp=1' };
    expect(await forwarded(fields)).toEqual(fields);
    expect(await forwarded({ traceparent: `${TRACEPARENT}x`, tracestate: 'tpp=1' })).toEqual({});
  });

  it('passes its own span on, where there is an SDK', async () => {
    await openTracing(silentLog);
    const { traceparent } = (await forwarded({ traceparent: TRACEPARENT })) as { traceparent: string };
    await vi.waitUntil(() => sdk.ended.length === 1);
    expect(traceparent).toBe(`00-${TRACE}-${sdk.ended[0]?.spanId}-01`);
  });
});

describe('an SDK that another release of the API has registered', () => {
  it('makes no spans, and is reported', async () => {
    sdk.unregister();
    const registered = Symbol.for('opentelemetry.js.api.1');
    const whole: unknown = Reflect.get(globalThis, registered);
    Reflect.set(globalThis, registered, { version: '1.0.0', trace: {} });
    onTestFinished(() => void Reflect.set(globalThis, registered, whole));
    const seen: string[] = [];
    await openTracing({ emit: (event) => void seen.push(event) });
    expect(seen).toEqual(['tracing.unavailable']);
    expect(tracing().hasSpans).toBe(false);
  });
});
