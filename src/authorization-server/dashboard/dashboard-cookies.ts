import type { Context } from 'koa';

/** Names that a browser accepts from this host alone, over TLS (RFC 6265bis §4.1.3.2). */
const NAMES = { session: '__Host-consents', login: '__Host-consents-login' } as const;
/** The bank's own application may send the customer back to a login, from another site. */
const SAME_SITE = { session: 'strict', login: 'lax' } as const;

type CookieName = keyof typeof NAMES;

export function cookieOf(ctx: Context, name: CookieName): string | undefined {
  return ctx.cookies.get(NAMES[name]);
}

/** Sets a cookie that ends with the browser, or removes it. */
export function setCookie(ctx: Context, name: CookieName, value: string | undefined): void {
  ctx.cookies.set(NAMES[name], value ?? null, {
    path: '/',
    secure: true,
    httpOnly: true,
    sameSite: SAME_SITE[name],
    overwrite: true,
    signed: false,
  });
}
