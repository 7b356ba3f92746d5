import Router from '@koa/router';
import { bodyParser } from '@koa/bodyparser';
import type { Context, Middleware, Next } from 'koa';
import { problemOf } from '../../authorization-server/operations/problem.ts';
import { findRefusal } from '../../authorization-server/request/oauth-error.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Log } from '../../events.ts';
import type { Store } from '../../storage/store.ts';
import type { Management } from '../management.ts';
import { stateOf } from '../management-state.ts';
import type { LocalTickets } from '../operators/local-tickets.ts';
import type { Operator } from '../operators/operator.ts';
import type { OperatorSession, OperatorSessions } from '../operators/operator-sessions.ts';
import type { OpenidLogin } from '../operators/openid-login.ts';
import { renderNotice, renderReturn } from './notice.ts';

export interface EntranceOptions {
  readonly management: Pick<Management, 'report'>;
  readonly sessions: OperatorSessions;
  readonly tickets: LocalTickets;
  readonly store: Store;
  readonly log: Log;
  /** Where operators log in who have no certificate of their own; on the listener with certificates only. */
  readonly login?: OpenidLogin | undefined;
  /** The pages, which find the operator with `sessionOf`. A form that is not of the session does not reach them. */
  readonly pages?: Middleware | undefined;
}

/** Of all requests below `/console`. */
const POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const LOGIN_COOKIE = '__Host-tallystick-login';
/** Longest address that a login leads back to. */
const MAX_RETURN = 1024;
const sessions = new WeakMap<Context, OperatorSession>();

/** The session of a request that the entrance has let through. */
export function sessionOf(ctx: Context): OperatorSession {
  const session = sessions.get(ctx);
  if (session === undefined) throw new TypeError('the request did not pass the entrance');
  return session;
}

/**
 * The way into the console: a one-time link of `tallystick console`, a client certificate, or the OpenID provider of the
 * bank. Whoever is in has a session, whose forms carry its token (`csrf`).
 */
export class Entrance {
  readonly middleware: Middleware;
  readonly #options: EntranceOptions;

  constructor(options: EntranceOptions) {
    this.#options = options;
    const router = new Router({ prefix: '/console' });
    router.get('/enter', (ctx) => this.#enter(ctx));
    router.get('/callback', (ctx) => this.#finishLogin(ctx));
    router.post(
      '/leave',
      (ctx, next) => this.#admit(ctx, next),
      (ctx) => this.#leave(ctx),
    );
    const routes = router.routes();
    this.middleware = async (ctx, next) => {
      ctx.set({
        'content-security-policy': POLICY,
        'referrer-policy': 'same-origin',
        'x-frame-options': 'DENY',
      });
      try {
        await routes(ctx as Parameters<typeof routes>[0], async () => {
          await this.#admit(ctx, async () => {
            if (options.pages === undefined) renderNotice(ctx, 'welcome');
            else await options.pages(ctx, next);
          });
        });
      } catch (error) {
        this.#refuse(ctx, error);
      }
    };
  }

  /** Opens a session by a one-time link, on the loopback listener only. */
  async #enter(ctx: Context): Promise<void> {
    const { origin } = stateOf(ctx);
    const { tickets, store } = this.#options;
    if (origin.listener !== 'loopback') {
      throw new OpenBankingError('ERR_MANAGEMENT_LINK', { problem: 'counts on the loopback listener only' });
    }
    const ticket = ctx.query.ticket;
    const operator = await tickets.redeem(typeof ticket === 'string' ? ticket : '', store);
    await this.#open(ctx, operator);
    ctx.redirect('/console');
  }

  /** @throws ERR_MANAGEMENT_UNKNOWN where no login is possible */
  async #beginLogin(ctx: Context): Promise<void> {
    const { login } = this.#options;
    const isPage = ctx.method === 'GET' && stateOf(ctx).origin.listener === 'management';
    if (login === undefined || !isPage) throw new OpenBankingError('ERR_MANAGEMENT_UNKNOWN', {});
    const { url, browser } = await login.begin(ctx.url.slice(0, MAX_RETURN));
    ctx.append(
      'set-cookie',
      `${LOGIN_COOKIE}=${browser}; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600`,
    );
    ctx.redirect(url);
  }

  /** The provider sent the browser here, so the next request must be of a page of our own: it carries the cookie. */
  async #finishLogin(ctx: Context): Promise<void> {
    const { login } = this.#options;
    if (login === undefined || stateOf(ctx).origin.listener !== 'management') {
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path });
    }
    const { operator, returnTo } = await login.finish(ctx.search, cookieIn(ctx, LOGIN_COOKIE));
    await this.#open(ctx, operator);
    ctx.append('set-cookie', `${LOGIN_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0`);
    renderReturn(ctx, returnTo);
  }

  async #open(ctx: Context, operator: Operator): Promise<OperatorSession> {
    const { origin, requestId } = stateOf(ctx);
    const session = await this.#options.sessions.open(operator, origin.listener);
    ctx.append('set-cookie', cookieOf(ctx, session.id));
    this.#options.log.emit('management.entered', {
      requestId,
      listener: origin.listener,
      operator: operator.name,
      role: operator.roles.join(' '),
      kind: operator.by,
      address: origin.address,
    });
    return session;
  }

  /** @throws ERR_MANAGEMENT_UNKNOWN, ERR_MANAGEMENT_FORM */
  async #admit(ctx: Context, next: Next): Promise<void> {
    const { origin } = stateOf(ctx);
    const found = await this.#find(ctx);
    const session = found ?? (origin.operator && (await this.#open(ctx, origin.operator)));
    if (session === undefined) {
      await this.#beginLogin(ctx);
      return;
    }
    stateOf(ctx).operator = session.operator;
    sessions.set(ctx, session);
    if (ctx.method === 'GET' || ctx.method === 'HEAD') return next();
    await readForm(ctx, async () => {
      const { csrf } = (ctx.request.body ?? {}) as { readonly csrf?: unknown };
      if (found === undefined || !this.#options.sessions.isOwnForm(session, csrf)) {
        throw new OpenBankingError('ERR_MANAGEMENT_FORM', {});
      }
      await next();
    });
  }

  /** A session that a certificate opened counts with this certificate only, and with its present roles. */
  async #find(ctx: Context): Promise<OperatorSession | undefined> {
    const { origin } = stateOf(ctx);
    const session = await this.#options.sessions.find(cookieIn(ctx, cookieName(ctx)), origin.listener);
    if (session?.operator.by !== 'certificate') return session;
    const { operator } = origin;
    return operator?.name === session.operator.name ? { ...session, operator } : undefined;
  }

  async #leave(ctx: Context): Promise<void> {
    const { id, operator } = sessionOf(ctx);
    await this.#options.sessions.end(id);
    this.#options.log.emit('management.left', { requestId: stateOf(ctx).requestId, operator: operator.name });
    ctx.append('set-cookie', `${cookieOf(ctx, '')}; Max-Age=0`);
    renderNotice(ctx, 'left');
  }

  #refuse(ctx: Context, error: unknown): void {
    const { requestId, origin, operator } = stateOf(ctx);
    const refusal = findRefusal(error);
    const { status, headers, body } = problemOf(refusal, requestId);
    ctx.status = status;
    ctx.set(headers);
    ctx.remove('www-authenticate');
    renderNotice(ctx, 'refused', body);
    this.#options.management.report(error, {
      requestId,
      listener: origin.listener,
      method: ctx.method,
      route: '/console',
      status,
      ...(operator === undefined
        ? { address: origin.address }
        : { operator: operator.name, role: operator.roles.join(' ') }),
    });
  }
}

const readForm = bodyParser({ enableTypes: ['form'], formLimit: '64kb' });

/** Over TLS no other host or port can set it. */
function cookieName(ctx: Context): string {
  return stateOf(ctx).origin.listener === 'management' ? '__Host-tallystick-console' : 'tallystick-console';
}

function cookieOf(ctx: Context, id: string): string {
  const secure = stateOf(ctx).origin.listener === 'management' ? '; Secure' : '';
  return `${cookieName(ctx)}=${id}; Path=/; HttpOnly; SameSite=Strict${secure}`;
}

function cookieIn(ctx: Context, name: string): string {
  const start = `${name}=`;
  const found = ctx
    .get('cookie')
    .split(';')
    .map((text) => text.trim())
    .filter((text) => text.startsWith(start));
  // Two of one name: another program of this machine has set one of them.
  return found.length === 1 ? (found[0] ?? '').slice(start.length) : '';
}
