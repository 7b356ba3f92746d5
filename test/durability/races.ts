import { expect } from 'vitest';
import type { Bank, BankProcess } from './bank.ts';
import { type Answer, assertionOf, codeOf, Tpp, type Walk } from './tpp.ts';

/** Two processes on one store, and who uses them. */
export interface Arena {
  readonly bank: Bank;
  readonly processes: readonly [BankProcess, BankProcess];
  readonly tpp: Tpp;
}

const WAYS = 64;

/** Sends `WAYS` requests at once, in turn to both processes; answers with the answers, winners first. */
async function rush(arena: Arena, send: (to: BankProcess) => Promise<Answer>, ways = WAYS) {
  const answers = await Promise.all(
    Array.from({ length: ways }, (_, at) => send(arena.processes[at % 2 === 0 ? 0 : 1])),
  );
  return {
    winners: answers.filter(({ status }) => status === 200),
    losers: new Set(
      answers.filter(({ status }) => status !== 200).map(({ status, json }) => `${status} ${json.error}`),
    ),
  };
}

/** One code, 64 exchanges at once (J1). */
export async function raceCode(arena: Arena): Promise<void> {
  const code = await arena.tpp.code(arena.processes[0]);
  const { winners, losers } = await rush(arena, (to) => arena.tpp.exchange(to, code));
  expect([winners.length, ...losers]).toEqual([1, '400 invalid_grant']);
}

/** One refresh token with rotation on, used 64 times at once (J5). */
export async function raceRefresh(arena: Arena): Promise<void> {
  const code = await arena.tpp.code(arena.processes[0]);
  const { json } = await arena.tpp.exchange(arena.processes[1], code);
  expect(json.refresh_token).toBeDefined();
  const { winners, losers } = await rush(arena, (to) => arena.tpp.refresh(to, json.refresh_token));
  expect([winners.length, ...losers]).toEqual([1, '400 invalid_grant']);
}

/** One pushed request whose flows, 16 of them, end at once: one code (I2). */
export async function racePushedRequest(arena: Arena): Promise<void> {
  const { requestUri } = await arena.tpp.pushed(arena.processes[0]);
  const walks: Walk[] = [];
  // One after the other: five logins of one customer at once would be four too many.
  for (let at = 0; at < 16; at += 1) {
    walks.push(await arena.tpp.walk(arena.processes[at % 2 === 0 ? 0 : 1], requestUri));
  }
  const ends = await Promise.all(walks.map((walk) => walk.end()));
  expect(ends.filter((end) => codeOf(end) !== undefined)).toHaveLength(1);
}

/** One client assertion, sent 64 times at once (J8, H13). */
export async function raceAssertion(arena: Arena): Promise<void> {
  const assertion = await assertionOf(arena.bank);
  const { winners, losers } = await rush(arena, (to) =>
    arena.tpp.post(to, '/token', { grant_type: 'client_credentials', scope: 'accounts', ...assertion }),
  );
  expect([winners.length, ...losers]).toEqual([1, '401 invalid_client']);
}

export const RACES = {
  'a code': raceCode,
  'a refresh token with rotation': raceRefresh,
  'a pushed request': racePushedRequest,
  'a client assertion': raceAssertion,
} as const;

/** Opens a bank on the storage with two processes. */
export async function openArena(bank: Bank): Promise<Arena> {
  const rotating = { refreshToken: { rotation: true } };
  const processes = [await bank.start(rotating), await bank.start(rotating)] as const;
  return { bank, processes, tpp: new Tpp(bank) };
}
