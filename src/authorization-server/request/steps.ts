import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { OpenBankingError } from '../../errors.ts';

/** `front` requests no client certificate, `mtls` does. */
export type ListenerName = 'front' | 'mtls';

const NAME = Symbol('listener');

/** The name is a property of the request: a map would have to be cleaned after each request. */
interface NamedRequest extends IncomingMessage {
  [NAME]?: ListenerName;
}

export function noteListener(request: NamedRequest, name: ListenerName): void {
  request[NAME] = name;
}

/** The listener that a request came to. */
export function listenerOf(request: NamedRequest): ListenerName {
  const name = request[NAME];
  if (name === undefined) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: '' });
  return name;
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
