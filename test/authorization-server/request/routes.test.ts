import { describe, expect, it } from 'vitest';
import type { Context } from 'koa';
import type { IncomingMessage } from 'node:http';
import { type Caller, findRoute, from, isFor } from '../../../src/authorization-server/request/routes.ts';
import {
  at,
  inOrder,
  type ListenerName,
  noteListener,
} from '../../../src/authorization-server/request/routes.ts';
import { isRefusal } from '../../../src/errors.ts';

const CALLERS: readonly Caller[] = ['anyone', 'browser', 'tpp', 'resource-server', 'bank', 'operator'];

function requested(listener: ListenerName, path: string, method = 'GET'): Context {
  const req = {} as IncomingMessage;
  noteListener(req, listener);
  return { req, path, method, state: {} } as Context;
}

/** The kinds of caller of the route, or the code of the refusal. */
function callers(listener: ListenerName, path: string, method: string): readonly string[] {
  const ctx = requested(listener, path, method);
  try {
    findRoute(ctx, () => Promise.resolve());
    return CALLERS.filter((caller) => isFor(caller, ctx));
  } catch (error) {
    return [isRefusal(error) ? error.code : String(error)];
  }
}

describe('the routes', () => {
  it.each([
    ['GET', '/.well-known/openid-configuration', ['anyone'], ['anyone']],
    ['GET', '/.well-known/oauth-authorization-server', ['anyone'], ['anyone']],
    ['GET', '/jwks', ['anyone'], ['anyone']],
    ['GET', '/status-lists/1', ['anyone'], ['anyone']],
    ['GET', '/authorize', ['browser'], ['ERR_HTTP_NOT_FOUND']],
    ['POST', '/authorize', ['browser'], ['ERR_HTTP_NOT_FOUND']],
    ['GET', '/authorize/abc', ['browser'], ['ERR_HTTP_NOT_FOUND']],
    ['POST', '/interaction/abc', ['browser'], ['ERR_HTTP_NOT_FOUND']],
    ['GET', '/assets/bank.css', ['browser'], ['ERR_HTTP_NOT_FOUND']],
    ['POST', '/token', ['ERR_HTTP_NOT_FOUND'], ['tpp']],
    ['POST', '/par', ['ERR_HTTP_NOT_FOUND'], ['tpp']],
    ['POST', '/introspect', ['ERR_HTTP_NOT_FOUND'], ['tpp', 'resource-server']],
    ['POST', '/revoke', ['ERR_HTTP_NOT_FOUND'], ['tpp']],
    ['GET', '/userinfo', ['ERR_HTTP_NOT_FOUND'], ['tpp']],
    ['POST', '/jwks', ['ERR_HTTP_METHOD'], ['ERR_HTTP_METHOD']],
    ['POST', '/Token', ['ERR_HTTP_NOT_FOUND'], ['ERR_HTTP_NOT_FOUND']],
    ['POST', '/token/', ['ERR_HTTP_NOT_FOUND'], ['ERR_HTTP_NOT_FOUND']],
  ])('%s %s is for %j on the front channel and for %j with mTLS', (method, path, front, mtls) => {
    expect(callers('front', path, method)).toEqual(front);
    expect(callers('mtls', path, method)).toEqual(mtls);
  });

  it('lead to the steps of their listener, in order, each for its callers and routes', async () => {
    const ran: string[] = [];
    const step = (name: string) => (_ctx: Context, next: () => Promise<unknown>) => {
      ran.push(name);
      return next();
    };
    const steps = inOrder({
      front: [step('first'), findRoute, from('browser', step('page')), from('tpp', step('gate'))],
      mtls: [findRoute, from('tpp', step('gate')), at('/token', step('token')), at(/^\/p/, step('par'))],
    });
    const end = () => Promise.resolve(ran.push('provider'));
    await steps(requested('front', '/authorize'), end);
    await steps(requested('mtls', '/token', 'POST'), end);
    await steps(requested('mtls', '/par', 'POST'), end);
    await steps(requested('mtls', '/jwks'), end);
    expect(ran.join(' ')).toBe('first page provider gate token provider gate par provider provider');
  });
});
