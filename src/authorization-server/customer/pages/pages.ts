import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Context, Middleware } from 'koa';
import helmet from 'koa-helmet';
import type { AccountChoice, AuthenticationStep } from '../bank/aspsp.ts';
import type { Decision } from '../consent/decisions.ts';
import type { FactorName } from '../authentication/factors/factor.ts';
import type { FactorChallengeView } from '../authentication/factors/factor-view.ts';
import type { LinkedPayment } from '../bank/strong-authentication.ts';

/** The TPP that asks, as the pages name it. */
export interface RequesterView {
  readonly name: string;
  readonly legalName: string;
  readonly authorizationNumber: string;
  readonly nca: string;
}

interface FormView {
  readonly tpp: RequesterView;
  readonly csrf: string;
  /** Shown above the form; the answer is 422 then. */
  readonly problem?: string | undefined;
}

/** A step of the authentication. */
interface StepView extends Omit<FormView, 'tpp'> {
  /** Absent for pages of the bank's own. */
  readonly tpp?: RequesterView | undefined;
  /** Amount and payee of each payment, which every step shows (RTS article 5(1)(a)). */
  readonly payments: readonly LinkedPayment[];
}

export interface LoginView extends StepView {
  readonly step: AuthenticationStep;
  /** Which of the steps this is; comes back with its form. */
  readonly number: number;
  /** The customer's own name, as it was typed, by the name of its field. */
  readonly typed: Readonly<Record<string, string>>;
}

/**
 * Why the page of an element is there again. `wrong` and `blocked` name no element that failed (RTS article 4(3)(a));
 * `ended`: the code or the question is not good any more; `messages`: the customer was sent as many as there may be.
 */
export type FactorProblem = 'wrong' | 'blocked' | 'ended' | 'messages';

/** The page that asks for a further element. */
export interface FactorView extends Omit<StepView, 'problem'> {
  readonly number: number;
  readonly challenge: FactorChallengeView;
  /** Elements that the customer may choose; the present one is among them where its message can be sent again. */
  readonly others: readonly FactorName[];
  readonly problem?: FactorProblem | undefined;
}

export interface ConsentView extends FormView {
  readonly permissions: readonly { readonly title: string; readonly text: string }[];
  readonly accounts: readonly AccountChoice[];
  readonly until: Date;
}

/** Why a request cannot go on, in a customer's words. */
const STOPS = {
  attempts: {
    title: 'You cannot log in now',
    text: 'There were too many failed attempts. Please wait 15 minutes before you try again, or call us.',
  },
  changed: {
    title: 'The request has changed',
    text: 'The service has changed its request after you saw it. For your safety nothing was approved.',
  },
  rejected: {
    title: 'You have rejected this',
    text: 'You have rejected the request in your app.',
  },
  'no-factor': {
    title: 'You cannot confirm this here',
    text: 'You have no means of confirmation that can be used for this. Please call us.',
  },
  inactive: {
    title: 'This took too long',
    text: 'For your safety you were logged out after five minutes.',
  },
  late: {
    title: 'This took too long',
    text: 'For your safety this page can be used for 15 minutes only.',
  },
  'no-accounts': {
    title: 'There is no account to choose',
    text: 'You have no account that can be used for this. If you miss an account here, please call us.',
  },
  'not-permitted': {
    title: 'This service cannot be used now',
    text: 'The service is not permitted to ask for access at present.',
  },
  unavailable: {
    title: 'We cannot do this at the moment',
    text: 'A part of our systems does not answer. Please try again in a few minutes.',
  },
} as const;

export type StopReason = keyof typeof STOPS;

export interface StoppedView {
  readonly reason: StopReason;
  readonly status: number;
  /** The name of the TPP's service. */
  readonly service: string;
  /** The way back to the TPP: an address, or a form of the page at `path`, which may also be opened again. */
  readonly back: { readonly url: string } | { readonly csrf: string; readonly path: string };
}

/** The parameter with which a page asks by itself whether there is an answer. */
export const POLL = 'poll';
const POLL_SECONDS = 3;

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const PLACES =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The pages that a customer sees, in the name of the bank: plain HTML forms, one stylesheet, one icon, no script. */
export class Pages {
  readonly stylesheet = readFileSync(`${FOLDER}bank.css`, 'utf8');
  readonly icon = readFileSync(`${FOLDER}icon.svg`, 'utf8');
  readonly #bankName: string;
  readonly #templates = new Eta({ views: FOLDER, cache: true, autoEscape: true });

  constructor({ bankName }: { readonly bankName: string }) {
    this.#bankName = bankName;
  }

  login(ctx: Context, view: LoginView): void {
    prepareForm(ctx, view);
    this.#render(ctx, 'login', view);
  }

  factor(ctx: Context, view: FactorView): void {
    const { challenge, problem } = view;
    prepareForm(ctx, { problem });
    if (challenge.factor === 'passkey') {
      ctx.set('content-security-policy', `${PLACES}; form-action 'self'; script-src 'self'`);
    }
    // Without a script; only where the answer comes another way.
    const refresh = challenge.factor === 'app' ? `${POLL_SECONDS}; url=${ctx.path}?${POLL}=1` : undefined;
    this.#render(ctx, 'factor', { ...view, refresh });
  }

  consent(ctx: Context, view: ConsentView): void {
    prepareForm(ctx, view);
    this.#render(ctx, 'consent', { ...view, until: inWords(view.until) });
  }

  /**
   * The answer to a form whose way ends at the TPP. The page leads on by itself and without a script. A redirect would
   * keep the customer here: Chromium holds every redirect after a form to the form-action of the page with the form, and
   * the further redirects of a TPP are unknown. The navigation that this page begins is no part of the form's.
   */
  onward(ctx: Context, url: string): void {
    ctx.status = 200;
    ctx.set('content-security-policy', `${PLACES}; form-action 'none'`);
    ctx.set('cache-control', 'no-store');
    this.#render(ctx, 'onward', { url });
  }

  /** The request cannot go on, and nothing was decided. */
  stopped(ctx: Context, { reason, status, service, back }: StoppedView): void {
    prepareForm(ctx, {});
    ctx.status = status;
    this.#render(ctx, 'stopped', { ...STOPS[reason], service, back, requestId: ctx.state.requestId });
  }

  /** The request is over: the decision of the customer. */
  decided(ctx: Context, decision: Decision): void {
    ctx.set('cache-control', 'no-store');
    const until = decision.answer === 'allowed' ? inWords(new Date(decision.until)) : undefined;
    this.#render(ctx, 'decided', { service: decision.service, until });
  }

  /** The request is unknown, or something failed. Says nothing about what was shared: it is not known here. */
  error(ctx: Context, view: { readonly status: number; readonly rule?: string | undefined }): void {
    ctx.status = view.status;
    this.#render(ctx, 'error', {
      requestId: ctx.state.requestId,
      rule: view.rule,
      isOurs: view.status >= 500,
      again: isAgainPossible(ctx, view) ? ctx.url : undefined,
    });
  }

  #render(ctx: Context, template: string, view: object): void {
    ctx.type = 'html';
    ctx.body = this.#templates.render(template, { bank: this.#bankName, ...view });
  }
}

/** Response headers of every answer on the front channel. */
export function pageHeaders(options: { readonly hasStrictTransportSecurity: boolean }): Middleware {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'style-src': ["'self'"],
        'img-src': ["'self'"],
        'form-action': ["'none'"],
        'base-uri': ["'none'"],
        'frame-ancestors': ["'none'"],
      },
    },
    // A TPP may open these pages in a second window. The first one waits for the callback.
    crossOriginOpenerPolicy: { policy: 'unsafe-none' },
    strictTransportSecurity: options.hasStrictTransportSecurity && { maxAge: 31_536_000 },
    // With no-referrer a browser also hides the origin of its forms, which distinguishes them from forms of other sites.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
}

function prepareForm(ctx: Context, { problem }: Pick<FormView, 'problem'>): void {
  if (problem !== undefined) ctx.status = 422;
  ctx.set('content-security-policy', `${PLACES}; form-action 'self'`);
  ctx.set('cache-control', 'no-store');
}

/** After a fault of ours; after a form that was refused, such as one with an account that is gone. */
function isAgainPossible({ method, path }: Context, { status }: { readonly status: number }): boolean {
  const isInteraction = path.startsWith('/interaction/');
  if (method !== 'GET') return isInteraction;
  return status >= 500 && (isInteraction || /^\/authorize(\/|$)/.test(path));
}

function inWords(at: Date): { readonly iso: string; readonly text: string } {
  const text = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(at);
  return { iso: at.toISOString(), text };
}
