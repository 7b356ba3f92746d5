import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { RedisProcess } from '../storage/redis/redis-servers.ts';
import { type Bank, type BankProcess, restarted } from './bank.ts';
import { type Answer, Tpp } from './tpp.ts';
import { secondConnection } from '../storage/sqlite/second-connection.ts';

/** Where a server dies again and again, and what its clients were told before: the store must agree. */
export interface Theatre {
  readonly bank: Bank;
  readonly tpp: Tpp;
  server: BankProcess;
  /** Killed as well, every third time, where the tokens are in Redis. */
  redis?: RedisProcess;
  /** Refresh tokens that were received and not revoked. */
  readonly alive: unknown[];
  /** Refresh tokens whose revocation, or the replay of whose code, was answered. */
  readonly dead: unknown[];
  /** From the start of the process until it is ready. */
  readonly readySeconds: number[];
}

export async function openTheatre(bank: Bank, redis?: RedisProcess): Promise<Theatre> {
  const server = await bank.start();
  const tpp = new Tpp(bank);
  // The first one takes what is made once, such as status entries.
  await tpp.exchange(server, await tpp.code(server));
  return {
    bank,
    tpp,
    server,
    alive: [],
    dead: [],
    readySeconds: [],
    ...(redis === undefined ? {} : { redis }),
  };
}

/** Operations of an exchange on the store: at most so many, each with a before and an after. */
const POINTS = 12;

/** Kills the server during an exchange: at a named point in even rounds, at any moment in odd ones. */
export async function killRound(theatre: Theatre, round: number): Promise<void> {
  const { tpp } = theatre;
  const code = await tpp.code(theatre.server);
  const victim = round % 8 === 1 && theatre.alive.length > 5 ? theatre.alive.shift() : undefined;
  const { server } = theatre;
  if (round % 2 === 0) {
    const at = 1 + (Math.floor(round / 4) % POINTS);
    server.command({ at, when: round % 4 === 0 ? 'before' : 'after', what: 'die' });
  }
  const exchange = tpp.exchange(server, code);
  const others =
    round % 2 === 0
      ? []
      : [tpp.clientCredentials(server), tpp.refresh(server, theatre.alive.at(-1)), tpp.pushed(server)];
  const revocation = victim === undefined || round % 2 === 0 ? undefined : tpp.revoke(server, victim);
  const [answer, revoked] = await Promise.all([
    settled(exchange),
    revocation === undefined ? undefined : settled(revocation),
    ...others.map(settled),
    round % 2 === 0 ? undefined : sleep(momentOf(round)).then(() => server.child.kill('SIGKILL')),
  ]);
  await server.kill();
  if (theatre.redis !== undefined && round % 3 === 0) {
    await theatre.redis.kill();
    theatre.redis = await theatre.redis.restart();
  }
  await restart(theatre);

  if (victim !== undefined && revocation === undefined) theatre.alive.push(victim);
  if (revoked?.status === 200) theatre.dead.push(victim);
  const again = answer?.status === 200 ? answer : await retried(theatre, code);
  if (again?.status !== 200) return;
  expect(await tpp.isLive(theatre.server, again.json.access_token)).toBe(true);
  if (round % 5 === 0) {
    // The code was redeemed: a second time it is refused, and ends what it gave.
    expect((await answered(() => tpp.exchange(theatre.server, code))).status).toBe(400);
    theatre.dead.push(again.json.refresh_token);
  } else theatre.alive.push(again.json.refresh_token);
  await expectLedger(theatre, 4);
}

/** The client never got an answer and tries again: a code that was used stays used. */
async function retried({ tpp, server }: Theatre, code: Parameters<Tpp['exchange']>[1]): Promise<Answer> {
  const answer = await answered(() => tpp.exchange(server, code));
  expect([200, 400]).toContain(answer.status);
  if (answer.status === 400) expect(answer.json.error).toBe('invalid_grant');
  return answer;
}

/** What was given works, what was ended does not; the last `count` of each. */
export async function expectLedger(theatre: Theatre, count: number): Promise<void> {
  const statusOf = async (token: unknown) =>
    (await answered(() => theatre.tpp.refresh(theatre.server, token))).status;
  const alive = await Promise.all(theatre.alive.slice(-count).map(statusOf));
  const dead = await Promise.all(theatre.dead.slice(-count).map(statusOf));
  expect(alive.filter((status) => status !== 200)).toEqual([]);
  expect(dead.filter((status) => status !== 400)).toEqual([]);
}

/** No grant has two refresh tokens: nobody has redeemed its code twice, whatever the client saw. SQLite only. */
export function expectOneTokenSetPerGrant(bank: Bank): void {
  const database = secondConnection(join(bank.folder, 'bank.sqlite'), { readOnly: true });
  const doubles = database
    .prepare(
      `SELECT i.value FROM record_index i JOIN record r ON r.key = i.key
       WHERE r.kind = 'RefreshToken' AND i.name = 'grantId' GROUP BY i.value HAVING count(*) > 1`,
    )
    .all();
  database.close();
  expect(doubles).toEqual([]);
}

async function restart(theatre: Theatre): Promise<void> {
  const startedAt = performance.now();
  theatre.server = await restarted(theatre.server);
  theatre.readySeconds.push((performance.now() - startedAt) / 1000);
  theatre.tpp.close();
}

/** Milliseconds after the requests are sent; the same in every run. */
function momentOf(round: number): number {
  return (round * 7919) % 100;
}

/** The answer, once it comes: a 503 is no answer yet, on a machine that has more to do than it can. */
export async function answered(ask: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await ask();
    if (answer.status !== 503 || attempt === 10) return answer;
    expect(answer.headers['retry-after']).toBeDefined();
    await sleep(500);
  }
}

/** The answer, or undefined when none came. */
export function settled(work: Promise<unknown>): Promise<Answer | undefined> {
  return work.then(
    (answer) => answer as Answer,
    () => undefined,
  );
}
