import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import Router from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import { LRUCache } from 'lru-cache';
import {
  type ApprovalRequest,
  type Approvals,
  type Confirmations,
  isRefusal,
  type Log,
} from '../../../index.ts';
import type { PhoneMessages } from './phone-messages.ts';
import { type AppPage, loginPage, waitingPage } from './phone-pages.ts';
import { accountsOf, findCustomer } from '../customers.ts';

export interface PhoneAppOptions {
  /** Requests of TPPs for customers without a browser (CIBA); undefined where that is off. */
  readonly approvals: Approvals | undefined;
  /** Requests that customers confirm on the phone as an element of their authentication; undefined where that is off. */
  readonly confirmations: Confirmations | undefined;
  readonly messages: Pick<PhoneMessages, 'of'>;
  /** Origin of this application. */
  readonly url: string;
  /** Answers every request at `AUTOMATION_PATH` without a customer, for tests that have none. */
  readonly isAutomated: boolean;
  readonly log: Log;
}

/** `?auth_req_id=…&action=allow` or `deny`, by POST. */
export const AUTOMATION_PATH = '/automated-approval';
/** Customers that a demonstration has; the oldest are logged out. */
const MAX_SESSIONS = 1000;
/** `Strict`: no other site leads into the application of a bank. */
const COOKIE = { name: '__Host-app', attributes: 'Path=/; Secure; HttpOnly; SameSite=Strict' };
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};
const OVER = 'This request has ended, or was answered before.';
/** The demo bank's phone proves nothing: it claims a key of the device, and a PIN. */
const PHONE_METHODS = ['swk', 'pin'];
const CHOOSE = 'Please choose at least one account, or reject.';

/** A customer who has logged in to the application. */
interface Session {
  readonly psuId: string;
  readonly csrf: string;
}

/**
 * The demo bank's application on the customer's phone, as plain pages: what waits for an answer of this customer, and
 * the answer. A real bank has an app, and pushes to it; the calls of `Approvals` are the same.
 */
export function phoneApp(options: PhoneAppOptions): RequestListener {
  const { isAutomated } = options;
  const sessions = new LRUCache<string, Session>({ max: MAX_SESSIONS });
  const router = new Router();
  const show = async (ctx: Context, session: Session | undefined, page: AppPage = {}) => {
    ctx.body =
      session === undefined
        ? loginPage(page)
        : waitingPage(await waitingFor(options, session), { ...page, csrf: session.csrf });
  };

  router.get('/', (ctx) => show(ctx, sessionOf(ctx, sessions)));
  router.post('/login', async (ctx) => {
    const { username = '', password = '' } = ctx.request.body as Record<string, string | undefined>;
    const customer = findCustomer(username, password);
    if (customer === undefined) {
      ctx.status = 422;
      return show(ctx, undefined, { problem: 'That customer name and password do not belong together.' });
    }
    const id = randomBytes(32).toString('base64url');
    sessions.set(id, { psuId: customer.psuId, csrf: randomBytes(32).toString('base64url') });
    ctx.append('set-cookie', `${COOKIE.name}=${id}; ${COOKIE.attributes}`);
    ctx.redirect('/');
    ctx.status = 303;
  });
  router.post('/:kind/:id', async (ctx) => {
    const { kind, id } = ctx.params;
    if (kind !== 'approvals' && kind !== 'confirmations') return ctx.throw(404);
    const session = sessionOf(ctx, sessions);
    const form = new URLSearchParams(ctx.request.rawBody ?? '');
    if (session === undefined || !isSame(form.get('csrf') ?? '', session.csrf)) return ctx.throw(403);
    const page = await answered(options, session, { kind, id: String(id), form });
    if (page.problem !== undefined) ctx.status = 422;
    return show(ctx, session, page);
  });
  if (isAutomated) router.post(AUTOMATION_PATH, (ctx) => automate(ctx, options.approvals));

  const app = new Koa();
  app.silent = true;
  app.use(answerFaults(options));
  app.use(bodyParser({ enableTypes: ['form'], formLimit: '16kb' }));
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app.callback();
}

function answerFaults({ url, log }: PhoneAppOptions): Middleware {
  return async (ctx, next) => {
    ctx.set(HEADERS);
    const origin = ctx.get('origin');
    if (origin !== '' && origin !== url) ctx.throw(403);
    try {
      await next();
    } catch (error) {
      const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
      if (status >= 500) log.emit('bank.unexpected', { error });
      ctx.status = status;
      ctx.body = 'This request cannot be answered.';
    }
  };
}

/** Everything that waits for a customer, and the messages on the phone. */
async function waitingFor({ approvals, confirmations, messages }: PhoneAppOptions, { psuId }: Session) {
  const [asked, toConfirm] = await Promise.all([
    approvals?.waitingFor(psuId) ?? [],
    confirmations?.waitingFor(psuId) ?? [],
  ]);
  return {
    approvals: asked.map((request) => ({
      request,
      accounts: request.needsAccounts ? accountsOf(psuId) : [],
    })),
    confirmations: toConfirm,
    messages: messages.of(psuId),
  };
}

interface Answer {
  readonly id: string;
  readonly form: URLSearchParams;
}

/** Takes an answer that may come too late. */
async function answered(
  { approvals, confirmations }: PhoneAppOptions,
  session: Session,
  { kind, ...answer }: Answer & { readonly kind: 'approvals' | 'confirmations' },
): Promise<AppPage> {
  try {
    if (kind === 'confirmations') return await confirm(confirmations, session, answer);
    return await approve(approvals, session, answer);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { problem: 'Your answer came too late, or does not fit the request.' };
  }
}

/** The customer's answer. Only a request of this customer can be answered. */
async function approve(
  approvals: Approvals | undefined,
  { psuId }: Session,
  { id, form }: Answer,
): Promise<AppPage> {
  const request = await approvals?.find(id);
  if (approvals === undefined || request?.psuId !== psuId) return { problem: OVER };
  const { service } = request.tpp;
  const accountIds = form.getAll('account');
  const isApproved = form.get('action') === 'approve';
  if (isApproved && request.needsAccounts && accountIds.length === 0) return { problem: CHOOSE };
  const { decision } = isApproved
    ? await approvals.approve(id, approvalOf(request, accountIds))
    : await approvals.reject(id);
  return {
    done: decision === 'approved' ? `You have allowed ${service} access.` : `You have rejected ${service}.`,
  };
}

/** Confirms a step of the login: the customer goes on in the browser. */
async function confirm(
  confirmations: Confirmations | undefined,
  { psuId }: Session,
  { id, form }: Answer,
): Promise<AppPage> {
  const request = await confirmations?.find(id);
  if (confirmations === undefined || request?.psuId !== psuId) return { problem: OVER };
  const { linkHash } = request;
  const outcome =
    form.get('action') === 'approve'
      ? await confirmations.confirm(id, { linkHash, amr: PHONE_METHODS })
      : await confirmations.reject(id);
  return {
    done: outcome === 'confirmed' ? 'Confirmed. Please go on in your browser.' : 'You have rejected it.',
  };
}

function approvalOf({ acrValues }: ApprovalRequest, accountIds: readonly string[]) {
  const [acr] = acrValues;
  // The phone reaches any context that is asked for.
  return { accountIds, amr: PHONE_METHODS, ...(acr === undefined ? {} : { acr }) };
}

async function automate(ctx: Context, approvals: Approvals | undefined): Promise<void> {
  const { auth_req_id: authReqId, action } = ctx.query;
  if (approvals === undefined) return ctx.throw(404);
  const id = approvals.idOf(String(authReqId));
  const request = await approvals.find(id);
  if (request === undefined || (action !== 'allow' && action !== 'deny')) ctx.throw(404);
  const all = request.needsAccounts ? accountsOf(request.psuId).map(({ accountId }) => accountId) : [];
  ctx.body = await (action === 'allow'
    ? approvals.approve(id, approvalOf(request, all))
    : approvals.reject(id));
}

function sessionOf(ctx: Context, sessions: LRUCache<string, Session>): Session | undefined {
  return sessions.get(ctx.cookies.get(COOKIE.name) ?? '');
}

function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
