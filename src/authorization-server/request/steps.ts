import type { Middleware } from 'koa';
import { type ListenerName, listenerOf } from './listener-name.ts';
import { type Caller, isFor } from './routes.ts';

/** A step for the routes of one kind of caller. The step follows `findRoute`. */
export function from(caller: Caller, step: Middleware): Middleware {
  return (ctx, next) => (isFor(caller, ctx) ? step(ctx, next) : next());
}

/** A step for one route. */
export function at(path: string | RegExp, step: Middleware): Middleware {
  const isMeant = (actual: string) => (typeof path === 'string' ? path === actual : path.test(actual));
  return (ctx, next) => (isMeant(ctx.path) ? step(ctx, next) : next());
}

/** Runs the steps of the listener that the request came to, one inside the other, and then the provider. */
export function inOrder(steps: Readonly<Record<ListenerName, readonly Middleware[]>>): Middleware {
  return (ctx, next) => {
    const ofListener = steps[listenerOf(ctx.req)];
    const run = (index: number): Promise<unknown> => {
      const step = ofListener[index];
      return step === undefined ? next() : step(ctx, () => run(index + 1));
    };
    return run(0);
  };
}
