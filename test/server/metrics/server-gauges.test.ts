import { afterEach, beforeEach, expect, it } from 'vitest';
import { createRegistry, type TppRecord } from '../../../tpp-registry/index.ts';
import { Metrics } from '../../../src/server/metrics/metrics.ts';
import { followServer, type MeasuredParts } from '../../../src/server/metrics/server-gauges.ts';

const NOW = new Date('2026-11-29T12:00:00Z');
const inDays = (days: number) => new Date(NOW.getTime() + days * 86_400_000);
const seconds = (at: Date) => at.getTime() / 1000;

let metrics: Metrics;
beforeEach(() => {
  metrics = new Metrics();
});
afterEach(() => metrics.close());

const records = (...statuses: string[]) => statuses.map((status) => ({ status }) as unknown as TppRecord);
const source = (name: string, list: readonly TppRecord[], fetchedAt = inDays(-1)) => ({
  name,
  fetchedAt,
  size: list.length,
  list: () => list,
});
const lists = [
  { territory: 'EU', fetchedAt: inDays(-1), nextUpdate: inDays(60) },
  { territory: 'DE', fetchedAt: inDays(-2) },
];
const crl = (issuer: string, days: number, count: number) => ({ issuer, nextUpdate: inDays(days), count });

function parts(changed: Partial<MeasuredParts> = {}): MeasuredParts {
  const large = records(...Array.from({ length: 5001 }, () => 'active'));
  const sources = [
    source('own list', records('active', 'active', 'withdrawn')),
    source('EBA register', large),
  ];
  return {
    clock: { now: () => NOW },
    connections: { counts: () => [{ listener: 'mtls', handshake: 1, idle: 2, busy: 3 }], most: 100 },
    store: { isHealthy: async () => true },
    signer: {
      problem: 'the token is away',
      states: async () => [
        { kid: 'a', alg: 'ES256', state: 'signing', from: inDays(-10) },
        { kid: 'b', alg: 'ES256', state: 'next', from: inDays(1) },
      ],
    },
    decision: {
      registry: { ...createRegistry([], NOW), sources: () => sources },
      blockList: { size: 4 },
      trust: [{ current: { issuers: { lists } } }] as unknown as MeasuredParts['decision']['trust'],
      revocation: { crls: [crl('CN=A', 2, 10), crl('CN=A', 1, 5), crl('CN=B', 3, 1)] },
    },
    seen: { endsInUse: [-1, 2, 2, 10, 50, 400].map(inDays) },
    certificates: { tls: { current: { notAfter: inDays(29) } }, 'bankApi.tls': undefined },
    ...changed,
  };
}

async function gauges(): Promise<Readonly<Record<string, number>>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('tallystick_'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
  );
}

it('the gauges of a server have the ages, ends and sizes of its parts', async () => {
  followServer(metrics, parts());
  expect(await gauges()).toMatchObject({
    'tallystick_open_connections{listener="mtls",state="busy"}': 3,
    tallystick_open_connections_limit: 100,
    tallystick_store_up: 1,
    tallystick_signing_up: 0,
    'tallystick_signing_key_age_seconds{alg="ES256"}': 864_000,
    tallystick_block_list_entries: 4,
    'tallystick_registry_age_seconds{source="EBA register"}': 86_400,
    'tallystick_registry_entries{source="own list",status="active"}': 2,
    'tallystick_registry_entries{source="own list",status="withdrawn"}': 1,
    'tallystick_registry_entries{source="EBA register",status="all"}': 5001,
    'tallystick_trusted_list_age_seconds{territory="DE"}': 172_800,
    'tallystick_trusted_list_next_update_timestamp_seconds{territory="EU"}': seconds(inDays(60)),
    'tallystick_crl_next_update_timestamp_seconds{issuer="CN=A"}': seconds(inDays(1)),
    'tallystick_crl_entries{issuer="CN=A"}': 15,
    'tallystick_tpp_certificates{days_left="expired"}': 1,
    'tallystick_tpp_certificates{days_left="3"}': 2,
    'tallystick_tpp_certificates{days_left="14"}': 1,
    'tallystick_tpp_certificates{days_left="60"}': 1,
    'tallystick_tpp_certificates{days_left="more"}': 1,
    'tallystick_server_certificate_expiry_timestamp_seconds{place="tls"}': seconds(inDays(29)),
  });
});

it('a part that fails leaves out its own gauges and no other', async () => {
  followServer(
    metrics,
    parts({ signer: { problem: undefined, states: () => Promise.reject(new Error('away')) } }),
  );
  const found = await gauges();
  expect(found.tallystick_signing_up).toBe(1);
  expect(Object.keys(found).filter((name) => name.startsWith('tallystick_signing_key_age'))).toEqual([]);
  expect(found.tallystick_store_up).toBe(1);
});
