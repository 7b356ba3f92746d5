import type { Context, Middleware } from 'koa';
import type { Clock } from '../../clock.ts';
import type { Consents } from '../../consent/consents.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import type { Log } from '../../events.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { psuField } from '../../consent/psu-name.ts';
import type { Store } from '../../storage/store.ts';
import { Authentication } from '../customer/authentication/authentication.ts';
import { PasskeyPages } from '../customer/authentication/passkeys/passkey-pages.ts';
import type { OpenedStrongParts } from '../customer/authentication/strong-parts.ts';
import { LoginAttempts } from '../customer/authentication/login-attempts.ts';
import type { AcrOptions, AspspCalls } from '../customer/bank/aspsp-calls.ts';
import { OpenBankingError } from '../../errors.ts';
import type { Pages } from '../customer/pages/pages.ts';
import { DASHBOARD_PATH, PASSKEYS_PATH } from '../request/routes.ts';
import { AccessPages, type Visitor } from './access-pages.ts';
import { cookieOf, setCookie } from './dashboard-cookies.ts';
import { DashboardForms } from './dashboard-forms.ts';
import { DashboardLogins, type LoginEnds } from './dashboard-logins.ts';
import { DashboardSessions } from './dashboard-sessions.ts';
import { LoginLimits } from './login-limits.ts';
import { showNotice } from './notice.ts';

export interface DashboardOptions {
  /** False: there is nothing at its addresses. */
  readonly hasDashboard: boolean;
  readonly store: Store;
  readonly clock: Clock;
  readonly secret: Buffer;
  readonly issuer: string;
  readonly log: Log;
  readonly acr: AcrOptions;
  readonly consentUses: Pick<ConsentUses, 'lastUseOf'>;
  /** The address of a caller; undefined behind a proxy of the bank. */
  readonly clientCertificate: ClientCertificateSource;
}

export interface DashboardParts {
  readonly consents: Consents;
  readonly strong: OpenedStrongParts | undefined;
  readonly aspsp: AspspCalls;
  readonly pages: Pages;
}

/**
 * The pages at `/consents`, where customers see what they have allowed, and end it: a login of their own with a session of
 * five minutes, plain forms, no script.
 */
export class Dashboard {
  readonly #isOpen: boolean;
  readonly #log: Log;
  readonly #secret: Buffer;
  readonly #authentication: Authentication;
  readonly #pages: Pages;
  readonly #forms: DashboardForms;
  readonly #sessions: DashboardSessions;
  readonly #logins: DashboardLogins;
  readonly #limits: LoginLimits;
  readonly #accesses: AccessPages;
  readonly #routes: ReadonlyMap<string, (ctx: Context) => Promise<void>>;

  constructor(options: DashboardOptions, parts: DashboardParts) {
    const { issuer, secret, log, clientCertificate, consentUses } = options;
    const { acrValues } = options.acr;
    this.#isOpen = options.hasDashboard;
    this.#log = log;
    this.#secret = secret;
    this.#authentication = new Authentication({
      ...options,
      ...parts,
      acrValues,
      attempts: new LoginAttempts(options),
    });
    this.#pages = parts.pages;
    this.#forms = new DashboardForms({ secret, origin: new URL(issuer).origin });
    this.#sessions = new DashboardSessions(options);
    this.#logins = new DashboardLogins({ ...options, forms: this.#forms });
    this.#limits = new LoginLimits((request) => clientCertificate.findAddress(request));
    const passkeys = this.#passkeyRoutes(parts);
    const passkeysPath = passkeys.length === 0 ? undefined : PASSKEYS_PATH;
    this.#accesses = new AccessPages({ ...parts, consentUses, secret, log, passkeysPath });
    this.#routes = new Map([
      [`GET ${DASHBOARD_PATH}`, (ctx) => this.#seen(ctx, (visitor) => this.#accesses.list(ctx, visitor))],
      [`GET ${DASHBOARD_PATH}/end`, (ctx) => this.#seen(ctx, (visitor) => this.#accesses.ask(ctx, visitor))],
      [
        `POST ${DASHBOARD_PATH}/end`,
        (ctx) => this.#sent(ctx, (visitor, form) => this.#accesses.end(ctx, visitor, form)),
      ],
      [`POST ${DASHBOARD_PATH}/logout`, (ctx) => this.#sent(ctx, () => this.#logOut(ctx))],
      [`GET ${DASHBOARD_PATH}/login`, (ctx) => this.#showLogin(ctx)],
      [`POST ${DASHBOARD_PATH}/login`, (ctx) => this.#answerLogin(ctx)],
      ...passkeys,
    ]);
  }

  /** Passkeys are added and removed where this server asks for them. */
  #passkeyRoutes({ strong, pages }: DashboardParts): readonly [string, (ctx: Context) => Promise<void>][] {
    if (strong?.factors.some(({ name }) => name === 'passkey') !== true) return [];
    const passkeys = new PasskeyPages({ ...strong, pages, secret: this.#secret, log: this.#log });
    return [
      [`GET ${PASSKEYS_PATH}`, (ctx) => this.#seen(ctx, (visitor) => passkeys.list(ctx, visitor))],
      [
        `POST ${PASSKEYS_PATH}/add`,
        (ctx) => this.#sent(ctx, (visitor, form) => passkeys.add(ctx, visitor, form)),
      ],
      [
        `POST ${PASSKEYS_PATH}/remove`,
        (ctx) => this.#sent(ctx, (visitor, form) => passkeys.remove(ctx, visitor, form)),
      ],
    ];
  }

  /** Answers every request of a route of the dashboard. @throws ERR_HTTP_NOT_FOUND where there is none */
  readonly serve: Middleware = async (ctx, next) => {
    const method = ctx.method === 'HEAD' ? 'GET' : ctx.method;
    const answer = this.#routes.get(`${method} ${ctx.path}`);
    if (answer === undefined) return next();
    if (!this.#isOpen) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path });
    // Beside the rule of the page for robots, also for those that do not read it.
    ctx.set('x-robots-tag', 'noindex, nofollow');
    return answer(ctx);
  };

  /** A page for a customer with a session; the login for every other browser. */
  async #seen(ctx: Context, work: (visitor: Visitor) => Promise<void>): Promise<void> {
    const visitor = await this.#visitorOf(ctx);
    if (visitor !== undefined) return work(visitor);
    if (cookieOf(ctx, 'session') === undefined) return redirect(ctx, `${DASHBOARD_PATH}/login`);
    return this.#stop(ctx, 'inactive');
  }

  /** A form of a page of this session. */
  async #sent(ctx: Context, work: (visitor: Visitor, form: URLSearchParams) => Promise<void>): Promise<void> {
    const visitor = await this.#visitorOf(ctx);
    if (visitor === undefined) return this.#stop(ctx, 'inactive');
    const form = await this.#forms.read(ctx, cookieOf(ctx, 'session') ?? '');
    return work(visitor, form);
  }

  async #visitorOf(ctx: Context): Promise<Visitor | undefined> {
    const id = cookieOf(ctx, 'session');
    const session = await this.#sessions.resume(id);
    if (id === undefined || session === undefined) return undefined;
    return { psuId: session.psuId, csrf: this.#forms.tokenOf(id) };
  }

  async #stop(ctx: Context, reason: 'inactive'): Promise<void> {
    setCookie(ctx, 'session', undefined);
    showNotice(ctx, this.#pages, { reason, status: 403 });
  }

  async #showLogin(ctx: Context): Promise<void> {
    if ((await this.#visitorOf(ctx)) !== undefined) return redirect(ctx, DASHBOARD_PATH);
    await this.#limits.count(ctx.req);
    const id = this.#logins.idOf(ctx) ?? this.#logins.begin(ctx);
    await this.#authentication.show(ctx, await this.#logins.occasionOf(ctx, id, this.#ends));
  }

  async #answerLogin(ctx: Context): Promise<void> {
    await this.#limits.count(ctx.req);
    const id = this.#logins.idOf(ctx);
    if (id === undefined) return showNotice(ctx, this.#pages, { reason: 'inactive', status: 403 });
    const form = await this.#forms.read(ctx, id);
    const occasion = await this.#logins.occasionOf(ctx, id, this.#ends);
    if (form.get('action') === 'cancel') {
      setCookie(ctx, 'login', undefined);
      return showNotice(ctx, this.#pages, { reason: 'cancelled', status: 200 });
    }
    return this.#authentication.answer(ctx, occasion, form);
  }

  readonly #ends: LoginEnds = {
    // A session of another customer, or of the same one, in this browser ends: no identifier outlives a login (K9).
    finish: async (ctx, { psuId, amr }) => {
      await this.#sessions.end(cookieOf(ctx, 'session'));
      setCookie(ctx, 'session', await this.#sessions.begin(psuId));
      const psu = psuField(this.#secret, psuId);
      const requestId = String(ctx.state.requestId);
      this.#log.emit('dashboard.login', { requestId, ...psu, outcome: amr.join(' ') });
      redirect(ctx, DASHBOARD_PATH);
    },
    stop: (ctx, reason) => showNotice(ctx, this.#pages, { reason, status: 403 }),
  };

  async #logOut(ctx: Context): Promise<void> {
    await this.#sessions.end(cookieOf(ctx, 'session'));
    setCookie(ctx, 'session', undefined);
    showNotice(ctx, this.#pages, { reason: 'logged-out', status: 200 });
  }
}

/** After a form a browser must not send it again (RFC 9110 §15.4.4). */
function redirect(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.set('cache-control', 'no-store');
  ctx.redirect(path);
  ctx.status = 303;
}
