import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { LocalTickets } from '../../src/management/operators/local-tickets.ts';
import { Tpp } from '../durability/tpp.ts';
import { type AttackedBank, type AttackedServer, openAttackedBank } from './attacks/attacked-bank.ts';

/** Half an hour, as the README states; a shorter time to try the test itself. */
const MINUTES = Number(process.env.SOAK_MINUTES ?? 30);
/** Code is compiled, caches and heaps fill. */
const WARM_UP_SHARE = 0.3;
const WATCH_MILLISECONDS = 5000;
const CONNECTIONS = 8;
/** Of so many actions, one is a whole consent, and one a registration. */
const TURN = 40;
const MOST_SLOPE = 1;
/** A slope of a short run is the noise of the collector. */
const LEAST_MINUTES_FOR_SLOPE = 20;

interface Sample {
  readonly seconds: number;
  readonly megabytes: number;
  readonly descriptors: number;
  readonly loopSeconds: number;
}

let attacked: AttackedBank;
beforeAll(async () => {
  attacked = await openAttackedBank();
}, 60_000);
afterAll(() => attacked.close());

/** Answers that were not as expected, by what was asked. */
class Seen {
  readonly counts = new Map<string, number>();
  readonly wrong: string[] = [];

  note(name: string, status: number, expected: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    if (status !== expected) this.wrong.push(`${name}: ${status}`);
  }
}

/** A consent with its tokens, up to the revocation of the grant. */
async function consent(tpp: Tpp, server: AttackedServer, seen: Seen): Promise<void> {
  const tokens = await tpp.exchange(server, await tpp.code(server));
  seen.note('code', tokens.status, 200);
  const refreshed = await tpp.refresh(server, tokens.json.refresh_token);
  seen.note('refresh', refreshed.status, 200);
  seen.note('revoke', (await tpp.revoke(server, tokens.json.refresh_token)).status, 200);
}

async function registration(tpp: Tpp, server: AttackedServer, seen: Seen): Promise<void> {
  const made = await tpp.register(server, {
    redirect_uris: [tpp.redirectUri],
    token_endpoint_auth_method: 'tls_client_auth',
    grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
    response_types: ['code'],
    scope: 'openid accounts',
  });
  seen.note('register', made.status, 201);
  if (made.status !== 201) return;
  const named = {
    clientId: String(made.json.client_id),
    token: String(made.json.registration_access_token),
  };
  seen.note('delete', (await tpp.manage(server, named, { method: 'DELETE' })).status, 204);
}

async function act(tpp: Tpp, server: AttackedServer, { seen, turn }: { seen: Seen; turn: number }) {
  if (turn % TURN === 0) await consent(tpp, server, seen);
  else if (turn % TURN === TURN / 2) await registration(tpp, server, seen);
  else seen.note('token', (await tpp.clientCredentials(server)).status, 200);
}

/** Actions in some loops, at a rate or as fast as they go; returns how many a second there were. */
async function drive(
  tpp: Tpp,
  server: AttackedServer,
  { seen, seconds, rate }: { readonly seen: Seen; readonly seconds: number; readonly rate: number },
): Promise<number> {
  const from = performance.now();
  let turn = 0;
  const loop = async () => {
    while (performance.now() - from < seconds * 1000) {
      turn += 1;
      const due = rate === 0 ? 0 : from + (turn / rate) * 1000 - performance.now();
      if (due > 0) await sleep(due);
      await act(tpp, server, { seen, turn });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, loop));
  return turn / ((performance.now() - from) / 1000);
}

/** One look at the server: its metrics, its management API, its memory and its descriptors. */
async function look(server: AttackedServer, seen: Seen, from: number): Promise<Sample> {
  const at = `http://127.0.0.1:${server.ports.health}`;
  const metrics = await fetch(`${at}/metrics`);
  seen.note('metrics', metrics.status, 200);
  const delay = /tallystick_event_loop_delay_seconds\{quantile="0.99"\} (\S+)/.exec(
    await metrics.text(),
  )?.[1];
  const secret = Buffer.from(readFileSync(join(attacked.bank.folder, 'bank.secret'), 'utf8'), 'base64url');
  const tickets = new LocalTickets({ secret, clock: systemClock });
  const token = tickets.create('bearer', { name: 'soak', roles: ['viewer'] });
  for (const path of ['/v1/overview', '/v1/tpps', '/v1/clients', '/v1/keys']) {
    const answer = await fetch(`${at}${path}`, { headers: { authorization: `Bearer ${token}` } });
    await answer.text();
    seen.note(path, answer.status, 200);
  }
  const { megabytes, descriptors } = server.usage();
  const seconds = (performance.now() - from) / 1000;
  return { seconds, megabytes, descriptors, loopSeconds: Number(delay) };
}

/** Megabytes in ten minutes, by the line that fits best. */
function slopeOf(samples: readonly Sample[]): number {
  const mean = (of: (sample: Sample) => number) =>
    samples.reduce((sum, one) => sum + of(one), 0) / samples.length;
  const [x, y] = [mean(({ seconds }) => seconds), mean(({ megabytes }) => megabytes)];
  const covariance = mean(({ seconds, megabytes }) => (seconds - x) * (megabytes - y));
  return (covariance / mean(({ seconds }) => (seconds - x) ** 2)) * 600;
}

describe.each([1, 2])('a server with every feature on, at half of its rate, with workers: %i', (workers) => {
  it(`keeps its memory and its descriptors for ${MINUTES} minutes (N11, R7)`, async () => {
    const server = await attacked.start({
      name: 'soak',
      configuration: {
        workers,
        audit: { folder: `audit-${workers}`, signingKeyFile: 'audit.pem' },
        connections: { exemptAddresses: ['127.0.0.1'] },
        clientLimits: { pushedRequestsPerMinute: 1_000_000, recordsPerMinute: 10_000_000 },
        requestLimits: { perTpp: 10_000_000, perAddress: 10_000_000 },
        registration: {
          profiles: [{ profile: 'certificate' }],
          quotas: { clients: 1000, requestsPerHour: 100_000 },
        },
      },
      run: async () => '',
    });
    const tpp = new Tpp(attacked.bank);
    try {
      const seen = new Seen();
      const capacity = await drive(tpp, server, { seen, seconds: 5, rate: 0 });
      const from = performance.now();
      const samples: Sample[] = [];
      const load = drive(tpp, server, { seen, seconds: MINUTES * 60, rate: capacity / 2 });
      while (performance.now() - from < MINUTES * 60_000) {
        samples.push(await look(server, seen, from));
        await sleep(WATCH_MILLISECONDS);
      }
      const rate = await load;
      const warm = samples.filter(({ seconds }) => seconds > MINUTES * 60 * WARM_UP_SHARE);
      const descriptors = warm.map((sample) => sample.descriptors);
      const slope = slopeOf(warm);
      const faults = server
        .log()
        .split('\n')
        .filter((line) => line.includes('server.unexpected'));
      console.log(
        `workers ${workers}, ${MINUTES} min: ${capacity.toFixed(0)} actions/s, then ${rate.toFixed(0)}/s; ` +
          `memory ${warm[0]?.megabytes.toFixed(0)} to ${warm.at(-1)?.megabytes.toFixed(0)} MB, slope ${slope.toFixed(2)} MB in 10 min; ` +
          `descriptors ${Math.min(...descriptors)} to ${Math.max(...descriptors)}; ` +
          `loop delay p99 at most ${(Math.max(...warm.map(({ loopSeconds }) => loopSeconds)) * 1000).toFixed(0)} ms; ` +
          `${JSON.stringify(Object.fromEntries(seen.counts))}; ${faults.length} unexpected`,
      );
      expect(seen.wrong).toEqual([]);
      expect(faults).toEqual([]);
      // The connections of the watcher come and go.
      expect(Math.max(...descriptors) - Math.min(...descriptors)).toBeLessThanOrEqual(2 * CONNECTIONS);
      if (MINUTES >= LEAST_MINUTES_FOR_SLOPE) expect(slope).toBeLessThan(MOST_SLOPE);
    } finally {
      tpp.close();
      await server.stop();
    }
  });
});
