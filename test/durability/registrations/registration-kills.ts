import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { clientsOf } from '../commands/bank-questions.ts';
import { type BankProcess, restarted } from '../bank.ts';
import { commanded, traced } from '../commands/commands.ts';
import type { Gate } from '../gated-store.ts';
import { answered, settled } from '../kills.ts';
import { Tpp } from '../tpp.ts';
import type { RedisProcess } from '../../storage/redis/redis-servers.ts';
import { type Action, ACTIONS, type ActionName, type KilledClient, type LivingClient } from './actions.ts';
import type { RegisteringBank } from './registering-bank.ts';

/** Where a server dies while a TPP registers, changes and deletes clients, and the bank approves them. */
export interface RegistrationTheatre {
  readonly bank: RegisteringBank;
  readonly tpp: Tpp;
  server: BankProcess;
  /** Killed as well, every third time. */
  redis?: RedisProcess;
  /** Clients that are registered and approved. */
  readonly alive: LivingClient[];
  /** Clients that are deleted. */
  readonly deleted: KilledClient[];
  /** How often the work of an action was there after the kill, and how often not. */
  readonly ends: Record<ActionName, { done: number; undone: number }>;
  /** Actions with fewer operations than the first one, so that the server did not die. */
  missed: number;
  readonly readySeconds: number[];
}

/** Names an operation of an action. */
export interface KillPoint extends Pick<Gate, 'at' | 'when'> {
  readonly action: ActionName;
  readonly operation: string;
}

export async function openRegistrationTheatre(
  bank: RegisteringBank,
  redis?: RedisProcess,
): Promise<RegistrationTheatre> {
  const server = await bank.start(bank.registration);
  const none = () => ({ done: 0, undone: 0 });
  return {
    ...{ bank, server, tpp: new Tpp(bank), alive: [], deleted: [], missed: 0, readySeconds: [] },
    ends: { register: none(), change: none(), approve: none(), delete: none() },
    ...(redis === undefined ? {} : { redis }),
  };
}

/** Each operation of the actions, as the death before and after it. The first action of each kind takes what is made once. */
export async function findKillPoints(theatre: RegistrationTheatre): Promise<readonly KillPoint[]> {
  const points: KillPoint[] = [];
  for (const name of Object.keys(ACTIONS) as ActionName[]) {
    await whole(theatre, name, (send) => send());
    const operations: string[] = [];
    await whole(theatre, name, async (send) => {
      const seen = await traced(theatre.server, send);
      operations.push(...seen.operations);
      return seen.answer;
    });
    points.push(
      ...operations.flatMap((operation, index) =>
        (['before', 'after'] as const).map((when) => ({ action: name, operation, at: index + 1, when })),
      ),
    );
  }
  return points;
}

/** The server dies at the point of an action; the client and the bank go on with the one that comes after it. */
export async function killAt(theatre: RegistrationTheatre, point: KillPoint): Promise<void> {
  const { action: name, at, when, operation } = point;
  const where = `${when} ${operation} of ${name}`;
  const action = await ACTIONS[name](theatre);
  const { server } = theatre;
  await commanded(server, { at, when, what: 'die' });
  const answer = await settled(action.send());
  if (answer === undefined) await revive(theatre);
  else {
    theatre.missed += 1;
    await commanded(server, 'release');
  }
  count(theatre, name, await action.verify(answer, where));
  await expectRegistrations(theatre, 3);
}

/** The server dies at any moment of several actions at once. */
export async function killInTheMidst(theatre: RegistrationTheatre, round: number): Promise<void> {
  const where = `kill ${round}`;
  const started: { readonly name: ActionName; readonly action: Action }[] = [];
  for (const name of ['register', 'register', 'change', 'approve', 'delete'] as const) {
    started.push({ name, action: await ACTIONS[name](theatre) });
  }
  const { server } = theatre;
  const answers = await Promise.all([
    ...started.map(({ action }) => settled(action.send())),
    sleep(momentOf(round)).then(() => void server.child.kill('SIGKILL')),
  ]);
  await server.kill();
  if (theatre.redis !== undefined && round % 3 === 0) {
    await theatre.redis.kill();
    theatre.redis = await theatre.redis.restart();
  }
  await revive(theatre);
  for (const [at, { name, action }] of started.entries()) {
    count(theatre, name, await action.verify(answers[at] ?? undefined, where));
  }
  await expectRegistrations(theatre, 3);
}

/** The last `count` clients of each kind: those that are there act and can be managed, and the deleted ones are refused. */
export async function expectRegistrations(theatre: RegistrationTheatre, count: number): Promise<void> {
  const { server, tpp } = theatre;
  for (const client of theatre.alive.slice(-count)) {
    const form = { client_id: client.clientId, grant_type: 'client_credentials', scope: client.scope };
    const { status, text } = await answered(() => tpp.post(server, '/token', form));
    expect([status, text]).toEqual([200, expect.any(String)]);
  }
  const there = new Set((await clientsOf(server)).map(({ client }) => client.client_id));
  expect(theatre.alive.filter(({ clientId }) => !there.has(clientId))).toEqual([]);
  expect(theatre.deleted.filter(({ clientId }) => there.has(clientId))).toEqual([]);
  for (const client of theatre.deleted.slice(-count)) {
    const { clientId, refreshToken } = client;
    const form = { client_id: clientId, grant_type: 'refresh_token', refresh_token: refreshToken };
    const refused = await answered(() => tpp.post(server, '/token', form));
    expect([refused.status, refused.json.error]).toEqual([400, 'invalid_client']);
    expect((await answered(() => tpp.manage(server, client, { method: 'GET' }))).status).toBe(401);
  }
}

async function whole(
  theatre: RegistrationTheatre,
  name: ActionName,
  run: (send: Action['send']) => ReturnType<Action['send']>,
): Promise<void> {
  const action = await ACTIONS[name](theatre);
  const answer = await run(action.send);
  expect([name, await action.verify(answer, name)]).toEqual([name, true]);
}

async function revive(theatre: RegistrationTheatre): Promise<void> {
  const from = performance.now();
  theatre.server = await restarted(theatre.server);
  theatre.readySeconds.push((performance.now() - from) / 1000);
  theatre.tpp.close();
}

function count({ ends }: RegistrationTheatre, name: ActionName, isDone: boolean): void {
  ends[name][isDone ? 'done' : 'undone'] += 1;
}

/** Milliseconds after the requests are sent; the same in every run. */
function momentOf(round: number): number {
  return (round * 7919) % 120;
}
