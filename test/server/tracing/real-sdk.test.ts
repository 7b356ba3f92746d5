import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import { BANK_MODULE, freePorts, isReady, openBank } from '../../durability/bank.ts';
import { Tpp } from '../../durability/tpp.ts';

const MAIN = new URL('../../../src/cli/main.ts', import.meta.url).pathname;
const SDK = new URL('./registered-sdk.ts', import.meta.url).href;
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
/** SpanKind of OpenTelemetry. */
const [SERVER, CLIENT] = [1, 2];

interface Span {
  readonly name: string;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly parent?: string;
  readonly traceId: string;
  readonly spanId: string;
}

it('`tallystick serve` makes spans with the SDK of OpenTelemetry itself, registered by --import', async () => {
  const bank = await openBank();
  const tpp = new Tpp(bank);
  const ports = await freePorts();
  const file = join(bank.folder, 'traced.json');
  const spansFile = join(bank.folder, 'spans.jsonl');
  writeFileSync(join(bank.folder, 'bank.mjs'), BANK_MODULE);
  const more = { aspspModule: 'bank.mjs', shutdown: { noticeSeconds: 0 } };
  writeFileSync(file, JSON.stringify(bank.configuration(ports, more)));
  const child = spawn(process.execPath, ['--import', SDK, MAIN, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SPANS_FILE: spansFile },
  });
  const ended = once(child, 'exit');
  let log = '';
  child.stdout.on('data', (chunk) => {
    log += chunk;
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    tpp.close();
    await bank.close();
  });
  while (!(await isReady({ ports }))) await sleep(50);

  const form = { grant_type: 'client_credentials', scope: 'accounts' };
  const headers = { traceparent: `00-${TRACE}-${PARENT}-01` };
  expect((await tpp.post({ ports }, '/token', form, headers)).status).toBe(200);
  const spans = () =>
    existsSync(spansFile)
      ? readFileSync(spansFile, 'utf8')
          .trim()
          .split('\n')
          .map((line): Span => JSON.parse(line))
      : [];
  const ofTrace = () => spans().filter(({ traceId }) => traceId === TRACE);
  await vi.waitUntil(() => ofTrace().some(({ name }) => name === 'POST /token'), { timeout: 10_000 });
  const found = ofTrace();
  const request = found.find(({ name }) => name === 'POST /token');
  expect(request).toMatchObject({ kind: SERVER, parent: PARENT });
  expect(request?.attributes).toMatchObject({ 'http.route': '/token', 'http.response.status_code': 200 });
  const parts = found.filter(({ spanId }) => spanId !== request?.spanId);
  expect(parts.length).toBeGreaterThan(0);
  for (const { kind, parent } of parts) expect([kind, parent]).toEqual([CLIENT, request?.spanId]);
  // A sampler of the bank decides: without the flag no span is exported, and the trace is kept in the log all the same.
  const unsampled = { traceparent: `00-${TRACE.replace('4', '5')}-${PARENT}-00` };
  expect((await tpp.post({ ports }, '/token', form, unsampled)).status).toBe(200);
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(spans().some(({ traceId }) => traceId === TRACE.replace('4', '5'))).toBe(false);
  const lines = log
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.find(({ event }) => event === 'tracing.started')).toBeDefined();
  expect(lines.filter(({ event }) => event === 'token.issued').map(({ trace_id }) => trace_id)).toEqual([
    TRACE,
    TRACE.replace('4', '5'),
  ]);
}, 60_000);
