import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/configuration/config.ts';
import { silentLog } from '../../../src/events.ts';
import { demoAspsp } from '../../../src/sandbox/bank/customers.ts';
import { startServer } from '../../../src/server/server.ts';
import { type Bank, freePorts, openBank, type Ports } from '../../durability/bank.ts';
import { Tpp } from '../../durability/tpp.ts';
import { type ServeProcess, startServe } from '../serve-process.ts';

let bank: Bank;
beforeAll(async () => {
  bank = await openBank();
});
afterAll(() => bank.close());

/** The value of each series. */
async function scraped({ health }: Ports): Promise<ReadonlyMap<string, number>> {
  const answer = await fetch(`http://127.0.0.1:${health}/metrics`);
  expect(answer.status).toBe(200);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

async function token(ports: Ports): Promise<number | string> {
  const tpp = new Tpp(bank);
  const answer = await tpp.clientCredentials({ ports }).catch((error: NodeJS.ErrnoException) => error.code);
  tpp.close();
  return typeof answer === 'object' ? answer.status : String(answer);
}

const TOKENS = 'tallystick_tokens_issued_total{grant_type="client_credentials"}';
const REQUESTS =
  'tallystick_http_request_duration_seconds_count{listener="mtls",route="/token",status="200"}';

describe('a server', () => {
  it('has metrics of its requests, its store, its lists, its certificates and keys', async () => {
    const ports = await freePorts();
    const more = { shutdown: { noticeSeconds: 0 }, accessToken: { format: 'opaque' } };
    const config = parseConfig(bank.configuration(ports, more), { source: 'x', folder: bank.folder });
    const server = await startServer(config, { aspsp: demoAspsp(), log: silentLog });
    expect(await token(ports)).toBe(200);
    await fetch(`http://127.0.0.1:${ports.front}/`).catch(() => undefined);
    const found = await vi.waitUntil(async () => {
      const all = await scraped(ports);
      return all.has(REQUESTS) ? all : undefined;
    });
    await server.close();
    expect(found.get(TOKENS)).toBe(1);
    expect(found.get(REQUESTS)).toBe(1);
    expect(
      found.get('tallystick_store_operation_duration_seconds_count{operation="put",outcome="done"}'),
    ).toBeGreaterThan(0);
    expect(found.get('tallystick_store_up')).toBe(1);
    expect(found.get('tallystick_signing_up')).toBe(1);
    expect(found.get('tallystick_processes')).toBe(1);
    const day = 86_400;
    const now = Date.now() / 1000;
    expect(found.get('tallystick_server_certificate_expiry_timestamp_seconds{place="tls"}')).toBeGreaterThan(
      now + day,
    );
    expect(found.get('tallystick_signing_key_age_seconds{alg="ES256"}')).toBeLessThan(day);
    expect(found.get('tallystick_registry_age_seconds{source="own list"}')).toBeLessThan(day);
    expect(found.get('tallystick_registry_entries{source="own list",status="active"}')).toBeGreaterThan(0);
    expect(found.get('tallystick_block_list_entries')).toBe(0);
    expect(found.get('tallystick_open_connections_limit')).toBeGreaterThan(0);
    const build = [...found.keys()].find((key) => key.startsWith('tallystick_build_info'));
    expect(build).toContain(`node="${process.versions.node}"`);
    expect(build).toMatch(/version="\d+\.\d+\.\d+/);
  }, 60_000);
});

describe('two workers', () => {
  let server: ServeProcess | undefined;
  afterEach(async () => {
    for (const pid of server?.children() ?? []) process.kill(pid, 'SIGCONT');
    server?.child.kill('SIGKILL');
    await server?.ended;
    server = undefined;
  });

  it('are added up; a killed one takes no count away, and one that stands still delays no scrape', async () => {
    const ports = await freePorts();
    const started = startServe(bank, ports, { workers: 2, shutdown: { noticeSeconds: 0, drainSeconds: 1 } });
    server = started;
    const processes = async () => (await scraped(ports)).get('tallystick_processes');
    await vi.waitUntil(async () => (await processes().catch(() => 0)) === 3, {
      timeout: 60_000,
      interval: 200,
    });
    for (let at = 0; at < 4; at += 1) expect(await token(ports)).toBe(200);
    expect((await scraped(ports)).get(TOKENS)).toBe(4);

    const [first = 0, second = 0] = started.children();
    process.kill(first, 'SIGKILL');
    await vi.waitUntil(async () => started.output().includes('worker.died'), { timeout: 10_000 });
    expect((await scraped(ports)).get(TOKENS)).toBe(4);

    process.kill(second, 'SIGSTOP');
    const before = performance.now();
    expect((await scraped(ports)).get(TOKENS)).toBe(4);
    expect(performance.now() - before).toBeLessThan(8000);
    process.kill(second, 'SIGCONT');
  }, 90_000);
});
