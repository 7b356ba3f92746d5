import type { Middleware } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import { readForm } from './form.ts';

/** Below the limit of a request line, with room for the header fields of a browser. A request object by value fits. */
const MAX_QUERY_CHARACTERS = 8192;

/**
 * POST to the authorization endpoint (OpenID Connect Core §3.1.2.1): the browser goes on with GET, the same parameters in
 * the query. A cross-site POST brings no cookies of ours, and a GET of the top window does.
 *
 * @throws ERR_HTTP_TOO_LARGE, and the codes of `readForm`
 */
export const postedAuthorization: Middleware = async (ctx, next) => {
  if (ctx.method !== 'POST') return next();
  const query = (await readForm(ctx)).toString();
  if (query.length > MAX_QUERY_CHARACTERS) {
    throw new OpenBankingError('ERR_HTTP_TOO_LARGE', { maximum: MAX_QUERY_CHARACTERS });
  }
  ctx.set('cache-control', 'no-store');
  ctx.status = 303;
  ctx.redirect(`${ctx.path}?${query}`);
};
