import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { AuthorizationDetail } from '../../../src/consent/details/authorization-detail.ts';
import type { Consent } from '../../../src/consent/consent.ts';
import { tppNamed } from '../../../src/sandbox/curl-lines.ts';
import type { Bank, BankProcess } from '../bank.ts';
import { consumeConsent, createConsent, findConsent, revokeConsent } from '../commands/bank-questions.ts';
import type { Arena } from '../races.ts';
import { type Answer, type Code, codeOf, onwardOf, type Question, Tpp } from '../tpp.ts';

/** A customer's interactions for one intent, and how often each approves at once. */
const INTERACTIONS = 8;
const APPROVALS = 64 / INTERACTIONS;
const CONSUMERS = 64;

export const PAYMENT: AuthorizationDetail = {
  type: 'payment_initiation',
  instructedAmount: { currency: 'GBP', amount: '42.10' },
  creditorName: 'Corner Grocery',
  creditorAccount: { iban: 'GB33BUKB20201555555555' },
};
const ACCESS: AuthorizationDetail = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
};

/** The client of a TPP that names consents as the Berlin Group does. */
export function berlinTpp(bank: Bank): Tpp {
  const clientId = tppNamed(bank.description, 'money-one').organizationIdentifier;
  return Object.assign(new Tpp(bank), { clientId });
}

/** An intent of the TPP, and a request that names it. */
export async function newIntent(
  tpp: Tpp,
  to: BankProcess,
  detail: AuthorizationDetail = PAYMENT,
): Promise<{ readonly consentId: string; readonly scope: string }> {
  const { clientId } = tpp;
  const { consentId } = await createConsent(to, {
    ...{ consentId: randomUUID(), clientId, authorizationNumber: clientId },
    reference: 'berlin-group',
    details: [detail],
  });
  return { consentId, scope: `openid ${detail === PAYMENT ? 'PIS' : 'AIS'}:${consentId}` };
}

/** The customer approves, and goes where the answer leads: to the code, or to an end without it. */
export async function approveAndGoOn(
  tpp: Tpp,
  to: BankProcess,
  question: Question,
): Promise<{ readonly page: Answer; readonly end: Answer | undefined }> {
  const page = await tpp.approve(to, question);
  const path = onwardOf(page) ?? /id="back" href="([^"]+)"/.exec(page.text)?.[1];
  const isOwn = path?.includes('/authorize/') === true;
  return { page, end: isOwn ? await tpp.walkTo(to, { ...question, path }).end() : undefined };
}

/** How often the consent was authorised. */
export function authorisations({ history }: Consent): number {
  return history.filter(({ from, to }) => from !== to && to === 'authorised').length;
}

/** 64 approvals of one payment, in eight interactions of one customer: one code, authorised once (I2, K17). */
export async function raceApprovals(arena: Arena): Promise<void> {
  const { processes, berlin } = arena;
  const { consentId, scope } = await newIntent(berlin, processes[0]);
  const waiting: { readonly question: Question; readonly verifier: string }[] = [];
  // One after the other: five logins of one customer at once would be four too many.
  for (let at = 0; at < INTERACTIONS; at += 1) {
    const to = side(arena, at);
    const { requestUri, verifier } = await berlin.pushed(to, { scope });
    waiting.push({ question: await berlin.question(to, requestUri), verifier });
  }
  const ends = await Promise.all(
    Array.from({ length: APPROVALS }, (_, time) =>
      waiting.map(async ({ question, verifier }, at) => ({
        ...(await approveAndGoOn(berlin, side(arena, time + at), question)),
        verifier,
      })),
    ).flat(),
  );
  expect(ends.flatMap(({ page, end }) => [page, end]).filter((one) => (one?.status ?? 0) >= 500)).toEqual([]);
  const winners = ends.filter(({ end }) => end !== undefined && codeOf(end) !== undefined);
  expect(winners).toHaveLength(1);
  const losers = ends.filter((one) => !winners.includes(one));
  expect(losers.filter((one) => !isOver(one)).map(({ page, end }) => [page.status, end?.status])).toEqual([]);
  for (const to of processes) {
    const consent = await findConsent(to, consentId);
    expect([consent?.status, consent && authorisations(consent)]).toEqual(['authorised', 1]);
  }
  await expectOneToken(arena, winners);
}

async function expectOneToken(
  { processes, berlin }: Arena,
  winners: readonly { readonly end: Answer | undefined; readonly verifier: string }[],
): Promise<void> {
  for (const { end, verifier } of winners) {
    const code = end && codeOf(end);
    const answer = await berlin.exchange(processes[1], { code: String(code), verifier });
    expect(answer.status).toBe(200);
  }
}

/** An approval, its code and its exchange, and the bank's revocation at any moment of it: no token lives. */
export async function raceRevocation(arena: Arena, round = 0): Promise<void> {
  const { processes, berlin } = arena;
  const { consentId, scope } = await newIntent(berlin, processes[0], round % 2 === 0 ? ACCESS : PAYMENT);
  const { requestUri, verifier } = await berlin.pushed(processes[0], { scope });
  const question = await berlin.question(processes[0], requestUri);
  const [tokens, revoked] = await Promise.all([
    tokensOf(arena, question, verifier),
    // At the same moment, and later by less than the walk to the token takes.
    new Promise((resolve) => setTimeout(resolve, (round * 7) % 60)).then(() =>
      revokeConsent(processes[1], consentId),
    ),
  ]);
  expect(revoked?.status).toBe('revoked');
  for (const to of processes) expect((await findConsent(to, consentId))?.status).toBe('revoked');
  if (tokens === undefined) return;
  arena.dead.push(tokens.access_token);
  if (tokens.refresh_token === undefined) return;
  const { status, json } = await berlin.refresh(processes[0], tokens.refresh_token);
  expect([status, json.error]).toEqual([400, 'invalid_grant']);
}

async function tokensOf(
  { processes: [first], berlin }: Arena,
  question: Question,
  verifier: string,
): Promise<Answer['json'] | undefined> {
  const { page, end } = await approveAndGoOn(berlin, first, question);
  expect([page.status, end?.status ?? 0].filter((status) => status >= 500)).toEqual([]);
  const code = end && codeOf(end);
  if (code === undefined) return undefined;
  const answer = await berlin.exchange(first, { code, verifier } satisfies Code);
  expect([200, 400]).toContain(answer.status);
  return answer.status === 200 ? answer.json : undefined;
}

/** An authorised payment that 64 want to carry out: one may, and its token ends. */
export async function raceConsumption(arena: Arena): Promise<void> {
  const { processes, berlin } = arena;
  const { consentId, scope } = await newIntent(berlin, processes[0]);
  const { requestUri, verifier } = await berlin.pushed(processes[0], { scope });
  const end = await (await berlin.walk(processes[0], requestUri)).end();
  const { status, json } = await berlin.exchange(processes[0], { code: String(codeOf(end)), verifier });
  expect(status).toBe(200);
  const all = await Promise.all(
    Array.from({ length: CONSUMERS }, (_, at) => consumeConsent(side(arena, at), consentId)),
  );
  expect(all.filter(Boolean)).toHaveLength(1);
  expect((await findConsent(processes[1], consentId))?.status).toBe('consumed');
  arena.dead.push(json.access_token);
}

export const CONSENT_RACES = {
  'approves a payment once, of 64 approvals at once': raceApprovals,
  'leaves no token alive when a consent ends at the moment of its approval': raceRevocation,
  'carries out a payment once, of 64 at once': raceConsumption,
} as const;

function side({ processes }: Arena, at: number): BankProcess {
  return processes[at % 2 === 0 ? 0 : 1];
}

/** A page that says why, the bank's page of what was decided before, or an error for the TPP. */
export function isOver({ page, end }: { readonly page: Answer; readonly end: Answer | undefined }): boolean {
  if (end !== undefined) return end.status >= 400 || hasError(end);
  return page.text.includes('<h1>') && !page.text.includes('<form');
}

function hasError({ headers: { location } }: Answer): boolean {
  return typeof location === 'string' && new URL(location).searchParams.has('error');
}
