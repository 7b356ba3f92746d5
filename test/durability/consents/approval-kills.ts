import { expect } from 'vitest';
import { type Bank, type BankProcess, restarted } from '../bank.ts';
import { commanded, traced } from '../commands/commands.ts';
import { authorisations, berlinTpp, isOver, newIntent } from './consent-races.ts';
import { findConsent } from '../commands/bank-questions.ts';
import type { Gate } from '../gated-store.ts';
import { type Answer, approvalOf, codeOf, onwardOf, type Question, type Tpp } from '../tpp.ts';

/** Where a server dies while a customer approves a payment, and the customer goes on with the next one. */
export interface ApprovalTheatre {
  readonly tpp: Tpp;
  server: BankProcess;
  /** Ends of the walks: the code came, or a page or an error said that it does not. */
  readonly ends: ('code' | 'over')[];
  /** Requests that had fewer operations than the first one, so that the server did not die. */
  missed: number;
}

/** The two requests of an approval: the form, and the redirect that gives the code. */
const REQUESTS = ['form', 'redirect'] as const;
type Request = (typeof REQUESTS)[number];

/** Names an operation of a request. */
export interface KillPoint extends Pick<Gate, 'at' | 'when'> {
  readonly request: Request;
  readonly operation: string;
}

export async function openApprovalTheatre(bank: Bank): Promise<ApprovalTheatre> {
  const server = await bank.start();
  return { tpp: berlinTpp(bank), server, ends: [], missed: 0 };
}

/** Each operation of an approval, as the death before and after it. The first walk takes what is made once. */
export async function findKillPoints(theatre: ApprovalTheatre): Promise<readonly KillPoint[]> {
  await approval(theatre).then(({ question }) => finish(theatre, question));
  const { question } = await approval(theatre);
  const { server, tpp } = theatre;
  const form = await traced(server, () => tpp.approve(server, question));
  const redirect = await traced(server, () => tpp.walkTo(server, way(form.answer, question)).end());
  return Object.entries({ form: form.operations, redirect: redirect.operations }).flatMap(
    ([request, operations]) =>
      operations.flatMap((operation, index) =>
        (['before', 'after'] as const).map((when) => ({
          ...{ request: request as Request, operation, at: index + 1, when },
        })),
      ),
  );
}

/** The server dies at the point of an approval; the customer tries again on the one that comes after it. */
export async function killAt(theatre: ApprovalTheatre, point: KillPoint): Promise<void> {
  const { tpp } = theatre;
  const where = `${point.when} ${point.operation} of the ${point.request}`;
  const { question, verifier, consentId } = await approval(theatre);
  const { at, when } = point;
  const arm = () => commanded(theatre.server, { at, when, what: 'die' });
  if (point.request === 'form') {
    await arm();
    await died(theatre, () => tpp.approve(theatre.server, question), where);
  } else {
    const walk = tpp.walkTo(theatre.server, way(await tpp.approve(theatre.server, question), question));
    await arm();
    await died(theatre, () => walk.end(), where);
  }
  await expectTrue(theatre, consentId, where);
  const end = await goOn(theatre, question, where);
  const code = codeOf(end);
  theatre.ends.push(code === undefined ? 'over' : 'code');
  if (code === undefined) return expectTrue(theatre, consentId, where);
  const { status, json } = await tpp.exchange(theatre.server, { code, verifier });
  expect([where, status]).toEqual([where, 200]);
  const consent = await findConsent(theatre.server, consentId);
  expect([where, consent?.status]).toEqual([where, 'authorised']);
  expect([where, await tpp.isLive(theatre.server, json.access_token)]).toEqual([where, true]);
  await expectTrue(theatre, consentId, where);
}

/** Authorised once at most, and by a grant; otherwise it waits. */
async function expectTrue({ server }: ApprovalTheatre, consentId: string, where: string): Promise<void> {
  const consent = await findConsent(server, consentId);
  if (consent === undefined) throw new Error(`${where}: the consent is lost`);
  const { status } = consent;
  expect([where, authorisations(consent), consent.grantId !== undefined]).toEqual([
    ...[where, status === 'authorised' ? 1 : 0, status === 'authorised'],
  ]);
}

/** Reloads the page, approves again where it asks, and goes where it leads: the code, an error, or a page that ends it. */
async function goOn({ tpp, server }: ApprovalTheatre, question: Question, where: string): Promise<Answer> {
  const { cookies } = question;
  let page = await tpp.browse(server, question.path, { cookies });
  if (page.text.includes('value="approve"')) {
    page = await tpp.approve(server, { ...question, form: approvalOf(page.text) });
  }
  const isLed = onwardOf(page) !== undefined;
  const end = isLed ? await tpp.walkTo(server, way(page, question)).end() : undefined;
  const isClear = (end !== undefined && codeOf(end) !== undefined) || isOver({ page, end });
  expect([where, page.status, end?.status, isClear]).toEqual([where, page.status, end?.status, true]);
  expect([page.status, end?.status ?? 0].filter((status) => status >= 500)).toEqual([]);
  return end ?? page;
}

async function approval({ tpp, server }: ApprovalTheatre) {
  const { consentId, scope } = await newIntent(tpp, server);
  const { requestUri, verifier } = await tpp.pushed(server, { scope });
  return { consentId, verifier, question: await tpp.question(server, requestUri) };
}

async function finish({ tpp, server }: ApprovalTheatre, question: Question): Promise<Answer> {
  return tpp.walkTo(server, way(await tpp.approve(server, question), question)).end();
}

function way(answer: Answer, { cookies }: Question): { cookies: Map<string, string>; path: string } {
  const path = onwardOf(answer);
  if (path === undefined) throw new Error(`the page leads nowhere: ${answer.status}`);
  return { cookies, path };
}

async function died(theatre: ApprovalTheatre, work: () => Promise<Answer>, where: string): Promise<void> {
  const { server } = theatre;
  const answer = await work().catch(() => undefined);
  if (answer !== undefined) {
    expect([where, answer.status < 500]).toEqual([where, true]);
    theatre.missed += 1;
    return commanded(server, 'release');
  }
  theatre.server = await restarted(server);
  theatre.tpp.close();
}
