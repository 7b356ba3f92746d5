import { expect } from 'vitest';
import type { Bank, BankProcess } from './bank.ts';
import { berlinTpp } from './consents/consent-races.ts';
import { createProver } from '../authorization-server/dpop-prover.ts';
import { type Answer, assertionOf, codeOf, Tpp, type Walk } from './tpp.ts';

/** Two processes on one store, and who uses them. */
export interface Arena {
  readonly bank: Bank;
  readonly processes: readonly [BankProcess, BankProcess];
  readonly tpp: Tpp;
  /** The client of the same TPP that names consents of the bank. */
  readonly berlin: Tpp;
  /** Access tokens of winners. As there were losers, none of them may live. */
  readonly dead: unknown[];
}

const WAYS = 64;
/** Walks of one pushed request, and how often the end of each is asked for. */
const WALKS = 8;
const ENDS = WAYS / WALKS;

/** Sends `WAYS` requests at once, in turn to both processes; answers with the answers, winners first. */
async function rush(arena: Arena, send: (to: BankProcess) => Promise<Answer>) {
  const answers = await Promise.all(
    Array.from({ length: WAYS }, (_, at) => send(arena.processes[at % 2 === 0 ? 0 : 1])),
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
  await expectDead(arena, winners[0]);
}

/** One refresh token with rotation on, used 64 times at once (J5). */
export async function raceRefresh(arena: Arena): Promise<void> {
  const code = await arena.tpp.code(arena.processes[0]);
  const { json } = await arena.tpp.exchange(arena.processes[1], code);
  expect(json.refresh_token).toBeDefined();
  const { winners, losers } = await rush(arena, (to) => arena.tpp.refresh(to, json.refresh_token));
  expect([winners.length, ...losers]).toEqual([1, '400 invalid_grant']);
  await expectDead(arena, winners[0]);
}

/** What the winner got is dead, since the others came second (RFC 6749 §4.1.2, RFC 9700 §4.14.2). */
async function expectDead({ processes, tpp, dead }: Arena, winner: Answer | undefined): Promise<void> {
  dead.push(winner?.json.access_token);
  for (const to of processes) {
    const { status, json } = await tpp.refresh(to, winner?.json.refresh_token);
    expect([status, json.error]).toEqual([400, 'invalid_grant']);
  }
}

/** What no list says yet is said within seconds. */
export async function expectNoneLive({ processes, tpp, dead }: Arena): Promise<void> {
  const alive = async () => {
    const answers = await Promise.all(processes.map((to) => tpp.areLive(to, dead)));
    return answers.flat().filter(Boolean).length;
  };
  expect(dead).not.toContain(undefined);
  await expect.poll(alive, { timeout: 5000 }).toBe(0);
}

/** One pushed request whose flows all end at once, each of them several times: one code (I2). */
export async function racePushedRequest(arena: Arena): Promise<void> {
  const { requestUri } = await arena.tpp.pushed(arena.processes[0]);
  const walks: Walk[] = [];
  // One after the other: five logins of one customer at once would be four too many.
  for (let at = 0; at < WALKS; at += 1) {
    walks.push(await arena.tpp.walk(arena.processes[at % 2 === 0 ? 0 : 1], requestUri));
  }
  const ends = await Promise.all(Array.from({ length: ENDS }, () => walks.map((walk) => walk.end())).flat());
  expect(ends.filter((end) => codeOf(end) !== undefined)).toHaveLength(1);
  const losers = ends.filter((end) => codeOf(end) === undefined);
  // An error page, or a redirect with the error.
  expect(losers.filter(({ status, headers }) => status !== 400 && !hasError(headers.location))).toEqual([]);
}

function hasError(location: string | readonly string[] | undefined): boolean {
  return typeof location === 'string' && new URL(location).searchParams.has('error');
}

/** One client assertion, sent 64 times at once (J8, H13). */
export async function raceAssertion(arena: Arena): Promise<void> {
  const assertion = await assertionOf(arena.bank);
  const { winners, losers } = await rush(arena, (to) =>
    arena.tpp.post(to, '/token', { grant_type: 'client_credentials', scope: 'accounts', ...assertion }),
  );
  expect([winners.length, ...losers]).toEqual([1, '400 invalid_client']);
}

const KEY_BOUND = { client_id: 'money-one-mtls-certificate-and-dpop' };

/** One DPoP proof, sent 64 times at once, under a nonce that the other process has made (J8, L5, RFC 9449 §8, §11.1). */
async function raceProof(arena: Arena): Promise<void> {
  const url = `${arena.bank.description.mtlsUrl}/token`;
  const prover = await createProver();
  const ask = (to: BankProcess, dpop: string) =>
    arena.tpp.post(
      to,
      '/token',
      { grant_type: 'client_credentials', scope: 'accounts', ...KEY_BOUND },
      { dpop },
    );
  const [first, second] = arena.processes;
  const { json, headers } = await ask(first, await prover.proof(url));
  expect(json.error).toBe('use_dpop_nonce');
  const nonce = String(headers['dpop-nonce']);
  expect((await ask(second, await prover.proof(url, undefined, { claims: { nonce } }))).status).toBe(200);
  const proof = await prover.proof(url, undefined, { claims: { nonce } });
  const { winners, losers } = await rush(arena, (to) => ask(to, proof));
  expect([winners.length, ...losers]).toEqual([1, '400 invalid_dpop_proof']);
}

export const RACES = {
  'a code': raceCode,
  'a refresh token with rotation': raceRefresh,
  'a pushed request': racePushedRequest,
  'a client assertion': raceAssertion,
  'a DPoP proof': raceProof,
} as const;

/** Opens a bank on the storage with two processes. */
export async function openArena(bank: Bank): Promise<Arena> {
  const rotating = { refreshToken: { rotation: true }, dpop: { nonce: 'required' } };
  const processes = [await bank.start(rotating), await bank.start(rotating)] as const;
  return { bank, processes, tpp: new Tpp(bank), berlin: berlinTpp(bank), dead: [] };
}
