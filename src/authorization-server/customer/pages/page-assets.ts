import Router from '@koa/router';
import type { Middleware } from 'koa';
import type { Branding } from './branding/branding.ts';

const KEPT = 'public, max-age=3600';
/** An SVG that is opened by itself runs no script either, and loads nothing. */
const ALONE = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/** The files that pages name: stylesheet, icon and logo. They are the same for everyone, and stand in memory. */
export function pageAssets({ stylesheet, icon, logo, logoDark }: Branding): Middleware {
  const router = new Router();
  const asset = (path: string | RegExp, type: string, body: string | Buffer) =>
    router.get(path, (ctx) => {
      ctx.set('cache-control', KEPT);
      ctx.set('content-security-policy', ALONE);
      ctx.type = type;
      ctx.body = body;
    });
  asset('/assets/bank.css', 'css', stylesheet);
  // Browsers ask for `/favicon.ico` where no page of ours names the icon.
  asset(/^\/(assets\/icon\.svg|favicon\.ico)$/, 'svg', icon);
  if (logo !== undefined) asset('/assets/logo', logo.type, logo.bytes);
  if (logoDark !== undefined) asset('/assets/logo-dark', logoDark.type, logoDark.bytes);
  return router.routes() as unknown as Middleware;
}
