import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import type { Context, Middleware } from 'koa';
import helmet from 'koa-helmet';
import type { AccountChoice, AuthenticationStep } from '../aspsp.ts';

/** Who asks, as the pages name it. */
export interface RequesterView {
  readonly name: string;
  readonly legalName: string;
  readonly authorizationNumber: string;
  readonly nca: string;
}

interface FormView {
  readonly tpp: RequesterView;
  readonly csrf: string;
  readonly problem?: string;
  /** Where the answer goes in the end: form submissions may be redirected there (CSP form-action). */
  readonly redirectUri: string;
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

/** The pages that a customer sees: plain HTML forms, one stylesheet, no script. */
export interface Pages {
  readonly stylesheet: string;
  login(ctx: Context, view: LoginView): void;
  consent(ctx: Context, view: ConsentView): void;
  /** Always the same sentence and the request id; the rule if there is one to tell. */
  error(ctx: Context, view: { readonly status: number; readonly rule?: string | undefined }): void;
}

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/** Pages in the name of the bank. */
export function createPages(options: { readonly bankName: string }): Pages {
  const eta = new Eta({ views: FOLDER, cache: true, autoEscape: true });
  const bank = options.bankName;
  const render = (ctx: Context, template: string, view: object) => {
    ctx.type = 'html';
    ctx.body = eta.render(template, { bank, ...view });
  };
  return {
    stylesheet: readFileSync(`${FOLDER}bank.css`, 'utf8'),
    login: (ctx, view) => {
      allowFormsTo(ctx, view.redirectUri);
      render(ctx, 'login', view);
    },
    consent: (ctx, view) => {
      allowFormsTo(ctx, view.redirectUri);
      const until = { iso: view.until.toISOString(), text: dayInWords(view.until) };
      render(ctx, 'consent', { ...view, until });
    },
    error: (ctx, view) => {
      ctx.status = view.status;
      render(ctx, 'error', { requestId: ctx.state.requestId, rule: view.rule });
    },
  };
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
    strictTransportSecurity: options.hasStrictTransportSecurity && { maxAge: 31_536_000 },
    // With no-referrer a browser also hides the origin of its forms, by which we tell them from foreign ones.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
}

/** Chromium holds a redirect after a form to the form-action of its page, so the TPP's origin must be in it. */
function allowFormsTo(ctx: Context, redirectUri: string): void {
  const url = new URL(redirectUri);
  const target = url.origin === 'null' ? url.protocol : url.origin;
  ctx.set('content-security-policy', `${CONTENT_SECURITY_POLICY}; form-action 'self' ${target}`);
  ctx.set('cache-control', 'no-store');
}

function dayInWords(at: Date): string {
  return new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(at);
}
