import type { Middleware } from 'koa';
import type { Authorizer } from './authorize.ts';
import { type ProtectionOptions, protect } from './protection.ts';

/**
 * Koa middleware: lets a request through when its token holds the scopes, with the proof in
 * `ctx.state.authorization` (an `Authorization`); answers the challenge otherwise.
 *
 * Koa must run on a TLS listener that asks for client certificates. `app.proxy` has no influence.
 */
export function koaProtection(authorizer: Authorizer, options: ProtectionOptions): Middleware {
  return async (ctx, next) => {
    const verdict = await protect(ctx.req, authorizer, options);
    if ('refusal' in verdict) {
      ctx.status = verdict.refusal.status;
      ctx.set({ ...verdict.refusal.headers });
      ctx.body = verdict.refusal.body;
      return;
    }
    ctx.set({ ...verdict.headers });
    ctx.state.authorization = verdict.authorization;
    await next();
  };
}
