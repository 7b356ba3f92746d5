import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Context } from 'koa';
import { isRefusal } from '../../../errors.ts';
import type { Decision } from '../consent/decisions.ts';
import { Branding } from './branding/branding.ts';
import type { AskedDetail } from './consent-view/asked-members.ts';
import { consentView } from './consent-view/consent-view.ts';
import { preparePage } from './page-headers.ts';
import type { ConsentPage, FactorPage, LoginPage, PasskeysPage, StoppedPage } from './page-views.ts';
import type { Languages } from './words/languages.ts';
import { pageWords } from './words/page-words.ts';
import type { Words } from './words/words.ts';

/** The parameter with which a page asks by itself whether there is an answer. */
export const POLL = 'poll';
/** The parameter of a page that the customer has stopped from asking by itself. */
const STILL = 'still';
const POLL_SECONDS = 3;

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
/** The script of a passkey stands in the page: its hash opens it, and nothing else (CSP 3 §8.2). */
const PASSKEY_SCRIPT = readFileSync(`${FOLDER}passkey.js`, 'utf8');
const PASSKEY_HASH = createHash('sha256').update(PASSKEY_SCRIPT).digest('base64');

/** The pages that a customer sees, in the name of the bank: plain HTML forms, one stylesheet, no script but for passkeys. */
export class Pages {
  readonly branding: Branding;
  readonly languages: Languages;

  constructor(options: ConstructorParameters<typeof Branding>[0]) {
    this.branding = new Branding(options);
    this.languages = this.branding.languages;
  }

  login(ctx: Context, view: LoginPage): void {
    prepareForm(ctx, view);
    this.show(ctx, 'login', { ...view, asked: this.#detailsIn(ctx, view.details) });
  }

  factor(ctx: Context, view: FactorPage): void {
    const { factor } = view.challenge;
    prepareForm(ctx, { ...view, scriptHash: factor === 'passkey' ? PASSKEY_HASH : undefined });
    const isPolling = factor === 'app' && !(STILL in ctx.query);
    const asked = this.#detailsIn(ctx, view.details);
    this.show(ctx, 'factor', { ...view, asked, isPolling, still: `?${STILL}=1`, script: PASSKEY_SCRIPT });
    // A field of the answer, which no template can forget. The customer can stop it (WCAG 2.2 §2.2.1, §2.2.2).
    if (isPolling) ctx.set('refresh', `${POLL_SECONDS}; url=${ctx.path}?${POLL}=1`);
  }

  passkeys(ctx: Context, view: PasskeysPage): void {
    preparePage(ctx, { hasForm: true, scriptHash: PASSKEY_HASH });
    const words = this.wordsOf(ctx);
    const passkeys = view.passkeys.map(({ createdAt, lastUsedAt, ...passkey }) => ({
      ...passkey,
      since: words.date(createdAt),
      lastUsed: lastUsedAt === undefined ? undefined : words.date(lastUsedAt),
    }));
    this.show(ctx, 'passkeys', { ...view, passkeys, script: PASSKEY_SCRIPT });
  }

  consent(ctx: Context, view: ConsentPage): void {
    prepareForm(ctx, view);
    const words = this.wordsOf(ctx);
    const until = isPaid(view.asked.details) ? undefined : words.date(view.until);
    const { earlier } = view;
    const before = earlier && { action: earlier.action, asked: consentView(earlier.content, words) };
    this.show(ctx, 'consent', { ...view, asked: consentView(view.asked, words), earlier: before, until });
  }

  /**
   * The answer to a form whose way ends at the TPP. The page leads on by itself and without a script. A redirect would
   * keep the customer here: Chromium holds every redirect after a form to the form-action of the page with the form, and
   * the further redirects of a TPP are unknown. The navigation that this page begins is no part of the form's.
   */
  onward(ctx: Context, url: string): void {
    ctx.status = 200;
    preparePage(ctx, { hasForm: false });
    this.#showEnd(ctx, 'onward', { url });
  }

  /** The request cannot go on, and nothing was decided. */
  stopped(ctx: Context, { status, ...view }: StoppedPage): void {
    preparePage(ctx, { hasForm: true });
    ctx.status = status;
    this.#showEnd(ctx, 'stopped', { ...view, requestId: ctx.state.requestId });
  }

  /** The request is over: the decision of the customer. */
  decided(ctx: Context, decision: Decision): void {
    preparePage(ctx, { hasForm: false });
    const allowed = decision.answer === 'allowed' ? decision : undefined;
    const isPayment = allowed !== undefined && isPaid(allowed.asked.details);
    const until = allowed && !isPayment ? this.wordsOf(ctx).date(new Date(allowed.until)) : undefined;
    this.#showEnd(ctx, 'decided', { service: decision.service, until, isPayment });
  }

  /** The request is unknown, or something failed. Says nothing about what was shared: it is not known here. */
  error(ctx: Context, view: { readonly status: number; readonly rule?: string | undefined }): void {
    ctx.status = view.status;
    this.#showEnd(ctx, 'error', {
      requestId: ctx.state.requestId,
      rule: view.rule,
      isOurs: view.status >= 500,
      again: isAgainPossible(ctx, view) ? ctx.url : undefined,
    });
  }

  /** The language of the customer: `ui_locales` of the request where there is one, then the browser's. */
  wordsOf(ctx: Context): Words {
    const { uiLocales } = ctx.state as { readonly uiLocales?: readonly string[] };
    return this.languages.preferred({ uiLocales, acceptLanguage: ctx.get('accept-language') });
  }

  /**
   * Renders a template in the language of the customer. Headers are `preparePage`'s.
   *
   * @throws ERR_PAGE_TEMPLATE when a template of the bank throws
   */
  show(ctx: Context, template: string, view: object): void {
    ctx.body = this.branding.templates.render(template, this.#prepared(ctx, view));
  }

  /**
   * A page on which the customer has nothing to decide. Where a template of the bank throws, the built-in page names the way
   * on, and the access log reports the template.
   */
  #showEnd(ctx: Context, template: string, view: object): void {
    try {
      this.show(ctx, template, view);
    } catch (error) {
      if (!isRefusal(error, 'ERR_PAGE_TEMPLATE')) throw error;
      ctx.state.templateFault = error;
      ctx.body = this.branding.templates.renderBuiltIn(template, this.#prepared(ctx, view));
    }
  }

  #prepared(ctx: Context, view: object): object {
    const words = this.wordsOf(ctx);
    ctx.type = 'html';
    ctx.set('content-language', words.tag);
    const { bankName: bank, version, logo, logoDark } = this.branding;
    const look = { bank, version, hasLogo: logo !== undefined, hasLogoDark: logoDark !== undefined };
    return { ...pageWords(words), ...look, ...view };
  }

  #detailsIn(ctx: Context, details: readonly AskedDetail[]) {
    return consentView({ details, scopes: [], claims: [] }, this.wordsOf(ctx));
  }
}

/** Payments that are over when they are made: nothing goes on until a day. */
function isPaid(details: readonly AskedDetail[]): boolean {
  const isOver = ({ type, kind }: AskedDetail) =>
    type === 'payment_initiation' && kind !== 'variable-recurring' && kind !== 'standing-order';
  return details.length > 0 && details.every(isOver);
}

function prepareForm(
  ctx: Context,
  { problem, scriptHash }: { readonly problem?: unknown; readonly scriptHash?: string | undefined },
): void {
  if (problem !== undefined) ctx.status = 422;
  preparePage(ctx, { hasForm: true, scriptHash });
}

/** After a fault of ours; after a form that was refused, such as one with an account that is gone. */
function isAgainPossible({ method, path }: Context, { status }: { readonly status: number }): boolean {
  const isInteraction = path.startsWith('/interaction/');
  if (method !== 'GET') return isInteraction;
  return status >= 500 && (isInteraction || /^\/authorize(\/|$)/.test(path));
}
