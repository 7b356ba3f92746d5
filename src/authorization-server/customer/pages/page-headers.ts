import type { Context, Middleware } from 'koa';
import helmet from 'koa-helmet';

/** Places from which a page may load: the same for every template, also for one of the bank. */
const PLACES =
  "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

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

/** Headers of one page. */
export function preparePage(
  ctx: Context,
  page: {
    readonly hasForm: boolean;
    /** SHA-256 in base64 of the one script of the page. */
    readonly scriptHash?: string | undefined;
  },
): void {
  const forms = `form-action ${page.hasForm ? "'self'" : "'none'"}`;
  const scripts = page.scriptHash === undefined ? [] : [`script-src 'sha256-${page.scriptHash}'`];
  ctx.set('content-security-policy', [PLACES, forms, ...scripts].join('; '));
  ctx.set('cache-control', 'no-store');
}
