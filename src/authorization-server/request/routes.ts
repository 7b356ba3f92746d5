import type { Context, Middleware } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import { type ListenerName, listenerOf } from './listener-name.ts';

/** The paths of the provider's endpoints, relative to the authority of their listener. */
export const ENDPOINTS = Object.freeze({
  authorization: '/authorize',
  token: '/token',
  pushed_authorization_request: '/par',
  introspection: '/introspect',
  revocation: '/revoke',
  userinfo: '/userinfo',
  jwks: '/jwks',
});

/** Where the signed token status lists are served; the list number follows. */
export const STATUS_LIST_PATH = '/status-lists/';

interface Route {
  readonly listeners: readonly ListenerName[];
  /** The whole path, or what it must match. */
  readonly path: string | RegExp;
  readonly methods: readonly string[];
  /** Whether a TPP must prove itself before anything else happens. */
  readonly isForTpp: boolean;
}

const BOTH: readonly ListenerName[] = ['front', 'mtls'];
const READ = ['GET', 'HEAD'];
const forTpp = (path: string, methods: readonly string[]): Route => ({
  listeners: ['mtls'],
  path,
  methods,
  isForTpp: true,
});
const forBrowser = (path: string | RegExp, methods: readonly string[]): Route => ({
  listeners: ['front'],
  path,
  methods,
  isForTpp: false,
});

const ROUTES: readonly Route[] = [
  { listeners: BOTH, path: '/.well-known/openid-configuration', methods: READ, isForTpp: false },
  { listeners: BOTH, path: '/.well-known/oauth-authorization-server', methods: READ, isForTpp: false },
  { listeners: BOTH, path: ENDPOINTS.jwks, methods: READ, isForTpp: false },
  { listeners: BOTH, path: /^\/status-lists\/\d{1,9}$/, methods: READ, isForTpp: false },
  forBrowser(ENDPOINTS.authorization, READ),
  forBrowser(/^\/authorize\/[\w-]{1,64}$/, READ),
  forBrowser(/^\/interaction\/[\w-]{1,64}$/, [...READ, 'POST']),
  forBrowser('/assets/bank.css', READ),
  forTpp(ENDPOINTS.token, ['POST']),
  forTpp(ENDPOINTS.pushed_authorization_request, ['POST']),
  forTpp(ENDPOINTS.introspection, ['POST']),
  forTpp(ENDPOINTS.revocation, ['POST']),
  forTpp(ENDPOINTS.userinfo, ['GET', 'POST']),
];
const EXACT: ReadonlyMap<string, Route> = new Map(
  ROUTES.flatMap((route) => (typeof route.path === 'string' ? [[route.path, route]] : [])),
);
const PATTERNS = ROUTES.flatMap((route) =>
  route.path instanceof RegExp ? [{ pattern: route.path, route }] : [],
);

/**
 * Lets only the routes of the listener through, exactly as they are written: the provider's own router would
 * also match another case and a trailing slash. Sets `ctx.state.isForTpp`.
 *
 * @throws ERR_HTTP_NOT_FOUND, ERR_HTTP_METHOD
 */
export function routesOf(): Middleware {
  return (ctx, next) => {
    const { path } = ctx;
    const route = EXACT.get(path) ?? PATTERNS.find(({ pattern }) => pattern.test(path))?.route;
    if (route === undefined || !route.listeners.includes(listenerOf(ctx.req))) {
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: path.slice(0, 200) });
    }
    if (!route.methods.includes(ctx.method)) {
      throw new OpenBankingError('ERR_HTTP_METHOD', { method: ctx.method, allowed: route.methods });
    }
    ctx.state.isForTpp = route.isForTpp;
    return next();
  };
}

/** A middleware for some requests. The others pass it by without a promise, of which a token would meet many. */
export function when(isMeant: (ctx: Context) => boolean, middleware: Middleware): Middleware {
  return (ctx, next) => (isMeant(ctx) ? middleware(ctx, next) : next());
}
