import type { Context } from 'koa';

/** Nobody gets the answer to the request before this is done; what it throws is the answer instead. `edge` sees to it. */
export function answerAfter(ctx: Pick<Context, 'state'>, work: Promise<unknown>): void {
  // It may fail before anybody waits for it.
  void Promise.allSettled([work]);
  ctx.state.answerAfter = work;
}
