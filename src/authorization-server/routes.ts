import type { Middleware } from 'koa';
import { OpenBankingError } from '../errors.ts';

/** `front` asks for no client certificate, `mtls` does. */
export type ListenerName = 'front' | 'mtls';

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
  readonly path: RegExp;
  readonly methods: readonly string[];
  /** Whether a TPP must prove itself before anything else happens. */
  readonly isForTpp: boolean;
}

const BOTH: readonly ListenerName[] = ['front', 'mtls'];
const READ = ['GET', 'HEAD'];
const exactly = (path: string) => new RegExp(`^${path.replaceAll('.', '\\.')}$`);
const forTpp = (path: string, methods: readonly string[]): Route => ({
  listeners: ['mtls'],
  path: exactly(path),
  methods,
  isForTpp: true,
});
const forBrowser = (path: RegExp, methods: readonly string[]): Route => ({
  listeners: ['front'],
  path,
  methods,
  isForTpp: false,
});

const ROUTES: readonly Route[] = [
  { listeners: BOTH, path: exactly('/.well-known/openid-configuration'), methods: READ, isForTpp: false },
  {
    listeners: BOTH,
    path: exactly('/.well-known/oauth-authorization-server'),
    methods: READ,
    isForTpp: false,
  },
  { listeners: BOTH, path: exactly(ENDPOINTS.jwks), methods: READ, isForTpp: false },
  { listeners: BOTH, path: /^\/status-lists\/\d{1,9}$/, methods: READ, isForTpp: false },
  forBrowser(exactly(ENDPOINTS.authorization), READ),
  forBrowser(/^\/authorize\/[\w-]{1,64}$/, READ),
  forBrowser(/^\/interaction\/[\w-]{1,64}$/, [...READ, 'POST']),
  forBrowser(exactly('/assets/bank.css'), READ),
  forTpp(ENDPOINTS.token, ['POST']),
  forTpp(ENDPOINTS.pushed_authorization_request, ['POST']),
  forTpp(ENDPOINTS.introspection, ['POST']),
  forTpp(ENDPOINTS.revocation, ['POST']),
  forTpp(ENDPOINTS.userinfo, ['GET', 'POST']),
];

/**
 * Lets only the routes of the listener through, exactly as they are written: the provider's own router would
 * also match another case and a trailing slash. Sets `ctx.state.isForTpp`.
 *
 * @throws ERR_HTTP_NOT_FOUND, ERR_HTTP_METHOD
 */
export function routesOf(listenerOf: (request: object) => ListenerName): Middleware {
  return async (ctx, next) => {
    const listener = listenerOf(ctx.req);
    const route = ROUTES.find((one) => one.listeners.includes(listener) && one.path.test(ctx.path));
    if (route === undefined)
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path.slice(0, 200) });
    if (!route.methods.includes(ctx.method)) {
      throw new OpenBankingError('ERR_HTTP_METHOD', { method: ctx.method, allowed: route.methods });
    }
    ctx.state.isForTpp = route.isForTpp;
    await next();
  };
}
