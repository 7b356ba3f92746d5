import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../src/clock.ts';
import { LocalTickets } from '../../../src/management/operators/local-tickets.ts';
import { pathsOf } from '../../../src/sandbox/folder.ts';
import type { Bank } from '../../durability/bank.ts';
import { Tpp } from '../../durability/tpp.ts';
import type { AttackedServer } from '../attacks/attacked-bank.ts';

/** Answers that were not as expected, by what was asked. */
export class Seen {
  readonly counts = new Map<string, number>();
  readonly wrong: string[] = [];

  note(name: string, status: number, expected: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    if (status !== expected) this.wrong.push(`${name}: ${status}`);
  }
}

interface Driven {
  readonly bank: Bank;
  readonly server: AttackedServer;
  readonly seen: Seen;
}

const TOKEN_LOOPS = 6;
/** Of so many tokens, one is a whole consent, and one a registration. */
const TOKENS_A_CONSENT = 40;

/** A consent with its tokens, up to the revocation of the grant. */
async function consent(tpp: Tpp, { server, seen }: Driven): Promise<void> {
  const tokens = await tpp.exchange(server, await tpp.code(server));
  seen.note('code', tokens.status, 200);
  const refreshed = await tpp.refresh(server, tokens.json.refresh_token);
  seen.note('refresh', refreshed.status, 200);
  seen.note('revoke', (await tpp.revoke(server, tokens.json.refresh_token)).status, 200);
}

async function registration(tpp: Tpp, { server, seen }: Driven): Promise<void> {
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

/** Actions at a rate, or as fast as they go; returns how many a second there were. One customer logs in at a time. */
export async function drive(
  driven: Driven,
  { seconds, rate }: { readonly seconds: number; readonly rate: number },
): Promise<number> {
  const tpp = new Tpp(driven.bank);
  const from = performance.now();
  let done = 0;
  const loop = async (loops: number, ofRate: number, act: () => Promise<void>) => {
    let turn = 0;
    const one = async () => {
      while (performance.now() - from < seconds * 1000) {
        turn += 1;
        const due = rate === 0 ? 0 : from + (turn / ofRate) * 1000 - performance.now();
        if (due > 0) await sleep(due);
        try {
          await act();
          done += 1;
        } catch (error) {
          driven.seen.wrong.push(String(error).slice(0, 80));
        }
      }
    };
    await Promise.all(Array.from({ length: loops }, one));
  };
  await Promise.all([
    loop(TOKEN_LOOPS, rate, async () => {
      driven.seen.note('token', (await tpp.clientCredentials(driven.server)).status, 200);
    }),
    loop(1, rate / TOKENS_A_CONSENT, () => consent(tpp, driven)),
    loop(1, rate / TOKENS_A_CONSENT, () => registration(tpp, driven)),
  ]);
  tpp.close();
  return done / ((performance.now() - from) / 1000);
}

const OPERATIONS = ['/v1/overview', '/v1/tpps', '/v1/clients', '/v1/keys', '/v1/registers', '/v1/blocks'];
const PAGES = ['', '/tpps', '/clients', '/consents', '/blocks', '/registers', '/keys', '/audit'];

/** One look of an operator: metrics, management API, console. Returns the delay of the event loop that metrics show. */
export async function look({ bank, server, seen }: Driven): Promise<number> {
  const at = `http://127.0.0.1:${server.ports.health}`;
  const metrics = await fetch(`${at}/metrics`);
  seen.note('metrics', metrics.status, 200);
  const delay = /tallystick_event_loop_delay_seconds\{quantile="0.99"\} (\S+)/.exec(
    await metrics.text(),
  )?.[1];
  const secret = Buffer.from(readFileSync(join(bank.folder, 'bank.secret'), 'utf8'), 'base64url');
  const tickets = new LocalTickets({ secret, clock: systemClock });
  const authorization = `Bearer ${tickets.create('bearer', { name: 'soak', roles: ['viewer'] })}`;
  const ask = async (path: string, headers: Record<string, string>) => {
    const answer = await fetch(`${at}${path}`, { headers });
    await answer.text();
    seen.note(path, answer.status, 200);
  };
  for (const path of OPERATIONS) await ask(path, { authorization });
  const link = tickets.create('link', { name: 'soak', roles: ['viewer'] });
  const entered = await fetch(`${at}/console/enter?ticket=${link}`, { redirect: 'manual' });
  seen.note('/console/enter', entered.status, 302);
  const cookie = (entered.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  for (const page of PAGES) await ask(`/console${page}`, { cookie });
  return Number(delay);
}

/** A register that changes, and the signal to read all files again. */
export function refresh({ bank, server }: Driven, turn: number): void {
  const { registry } = pathsOf(bank.folder);
  const text = readFileSync(registry, 'utf8').replace(/\n+$/, '');
  writeFileSync(registry, `${text}${'\n'.repeat(1 + (turn % 2))}`);
  process.kill(server.pid, 'SIGHUP');
}
