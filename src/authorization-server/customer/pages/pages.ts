import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Context, Middleware } from 'koa';
import helmet from 'koa-helmet';
import type { AccountChoice, AuthenticationStep } from '../aspsp.ts';

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

export interface LoginView extends FormView {
  readonly step: AuthenticationStep;
  /** Which of the steps this is; comes back with its form. */
  readonly number: number;
}

export interface ConsentView extends FormView {
  readonly permissions: readonly { readonly title: string; readonly text: string }[];
  readonly accounts: readonly AccountChoice[];
  readonly until: Date;
}

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const PLACES =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/** The pages that a customer sees, in the name of the bank: plain HTML forms, one stylesheet, no script. */
export class Pages {
  readonly stylesheet = readFileSync(`${FOLDER}bank.css`, 'utf8');
  readonly #bankName: string;
  readonly #templates = new Eta({ views: FOLDER, cache: true, autoEscape: true });

  constructor({ bankName }: { readonly bankName: string }) {
    this.#bankName = bankName;
  }

  login(ctx: Context, view: LoginView): void {
    prepareForm(ctx, view);
    this.#render(ctx, 'login', view);
  }

  consent(ctx: Context, view: ConsentView): void {
    const until = { iso: view.until.toISOString(), text: dayInWords(view.until) };
    prepareForm(ctx, view);
    this.#render(ctx, 'consent', { ...view, until });
  }

  /**
   * The answer to a form whose way ends at the TPP. The page leads on by itself and without a script. A redirect would
   * keep the customer here: Chromium holds every redirect after a form to the form-action of the page with the form, and
   * the further redirects of a TPP are unknown. This page begins a navigation of its own.
   */
  onward(ctx: Context, url: string): void {
    ctx.status = 200;
    ctx.set('content-security-policy', `${PLACES}; form-action 'none'`);
    ctx.set('cache-control', 'no-store');
    this.#render(ctx, 'onward', { url });
  }

  /** Always the same sentence and the request id, and the rule that refused, where one did. */
  error(ctx: Context, view: { readonly status: number; readonly rule?: string | undefined }): void {
    ctx.status = view.status;
    this.#render(ctx, 'error', { requestId: ctx.state.requestId, rule: view.rule });
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
    // A TPP may open these pages in a window of its own, and waits there for its callback.
    crossOriginOpenerPolicy: { policy: 'unsafe-none' },
    strictTransportSecurity: options.hasStrictTransportSecurity && { maxAge: 31_536_000 },
    // With no-referrer a browser also hides the origin of its forms, which distinguishes them from forms of other sites.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
}

function prepareForm(ctx: Context, { problem }: FormView): void {
  if (problem !== undefined) ctx.status = 422;
  ctx.set('content-security-policy', `${PLACES}; form-action 'self'`);
  ctx.set('cache-control', 'no-store');
}

function dayInWords(at: Date): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(at);
}
