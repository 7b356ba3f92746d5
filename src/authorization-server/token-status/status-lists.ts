import type { Middleware } from 'koa';
import { STATUS_LIST_PATH } from '../request/routes.ts';
import type { TokenStatus } from './token-status.ts';

/** Serves the signed lists (draft-ietf-oauth-status-list §8) with an ETag. They hold no secret. */
export function statusLists(tokenStatus: TokenStatus): Middleware {
  return async (ctx) => {
    const { jwt, etag } = await tokenStatus.list(Number(ctx.path.slice(STATUS_LIST_PATH.length)));
    ctx.type = 'application/statuslist+jwt';
    ctx.set('cache-control', 'no-cache');
    ctx.set('etag', etag);
    ctx.body = jwt;
    ctx.status = 200;
    if (ctx.fresh) ctx.status = 304;
  };
}
