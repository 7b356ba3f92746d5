import type { IncomingMessage } from 'node:http';
import type { Context, Middleware } from 'koa';
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

/** The paths of the provider's endpoints, relative to the authority of their listener. */
export const ENDPOINTS = Object.freeze({
  authorization: '/authorize',
  token: '/token',
  pushed_authorization_request: '/par',
  backchannel_authentication: '/backchannel',
  introspection: '/introspect',
  revocation: '/revoke',
  userinfo: '/userinfo',
  jwks: '/jwks',
});

/** Where the signed token status lists are served; the list number follows. */
export const STATUS_LIST_PATH = '/status-lists/';
export const STATUS_LIST_ROUTE = /^\/status-lists\/\d{1,9}$/;

/** Where resource servers read the registered keys of a client; its percent-encoded identifier follows. */
export const CLIENT_KEYS_PATH = '/client-keys/';
export const CLIENT_KEYS_ROUTE = /^\/client-keys\/[^/]{1,512}$/;

/** Where a client queries and revokes one of its grants; the percent-encoded `grant_id` follows. */
export const GRANTS_PATH = '/grants/';
export const GRANTS_ROUTE = /^\/grants\/(?:[A-Za-z0-9:._-]|%3[Aa]){1,128}$/;

/** The pages where customers see and end what they have allowed. */
export const DASHBOARD_PATH = '/consents';
/** The page where customers add and remove passkeys, in the session of the dashboard. */
export const PASSKEYS_PATH = '/passkeys';
/** Where TPPs register clients (RFC 7591), and manage one (RFC 7592); its percent-encoded identifier follows a slash. */
export const REGISTRATION_PATH = '/register';
export const REGISTRATION_ROUTE = /^\/register(?:\/[^/]{1,512})?$/;
const REGISTERED_CLIENT_ROUTE = /^\/register\/[^/]{1,512}$/;

/** Where the holder of any certificate asks what this server makes of it. */
export const SELF_CHECK_PATH = '/tpp/self-check';

/** Where resource servers read about a consent; its percent-encoded identifier follows. */
export const CONSENT_INFORMATION_PATH = '/consent-information/';
export const CONSENT_INFORMATION_ROUTE = /^\/consent-information\/[^/]{1,512}$/;

/**
 * The kinds of caller. A TPP proves itself by its certificate at the TPP gate, a resource server by a certificate of the
 * bank's own CA, a customer's browser by its interaction. The bank and its operators have no route of this server yet.
 */
export type Caller = 'anyone' | 'browser' | 'tpp' | 'resource-server' | 'bank' | 'operator';

const LISTENERS_OF: Readonly<Record<Caller, readonly ListenerName[]>> = {
  anyone: ['front', 'mtls'],
  browser: ['front'],
  tpp: ['mtls'],
  'resource-server': ['mtls'],
  bank: [],
  operator: [],
};

interface Route {
  /** The whole path, or a pattern of it. */
  readonly path: string | RegExp;
  /** The name of a pattern in metrics and traces. */
  readonly name?: string;
  readonly methods: readonly string[];
  readonly callers: readonly Caller[];
}

const READ = ['GET', 'HEAD'];

const ROUTES: readonly Route[] = [
  { path: '/.well-known/openid-configuration', methods: READ, callers: ['anyone'] },
  { path: '/.well-known/oauth-authorization-server', methods: READ, callers: ['anyone'] },
  { path: ENDPOINTS.jwks, methods: READ, callers: ['anyone'] },
  { path: STATUS_LIST_ROUTE, name: `${STATUS_LIST_PATH}{list}`, methods: READ, callers: ['anyone'] },
  { path: ENDPOINTS.authorization, methods: [...READ, 'POST'], callers: ['browser'] },
  {
    path: /^\/authorize\/[\w-]{1,64}$/,
    name: '/authorize/{interaction}',
    methods: READ,
    callers: ['browser'],
  },
  {
    path: /^\/interaction\/[\w-]{1,64}$/,
    name: '/interaction/{interaction}',
    methods: [...READ, 'POST'],
    callers: ['browser'],
  },
  { path: '/assets/bank.css', methods: READ, callers: ['browser'] },
  { path: '/assets/icon.svg', methods: READ, callers: ['browser'] },
  { path: '/assets/logo', methods: READ, callers: ['browser'] },
  { path: '/assets/logo-dark', methods: READ, callers: ['browser'] },
  { path: '/favicon.ico', methods: READ, callers: ['browser'] },
  { path: DASHBOARD_PATH, methods: READ, callers: ['browser'] },
  { path: `${DASHBOARD_PATH}/login`, methods: [...READ, 'POST'], callers: ['browser'] },
  { path: `${DASHBOARD_PATH}/end`, methods: [...READ, 'POST'], callers: ['browser'] },
  { path: `${DASHBOARD_PATH}/logout`, methods: ['POST'], callers: ['browser'] },
  { path: PASSKEYS_PATH, methods: READ, callers: ['browser'] },
  { path: `${PASSKEYS_PATH}/add`, methods: ['POST'], callers: ['browser'] },
  { path: `${PASSKEYS_PATH}/remove`, methods: ['POST'], callers: ['browser'] },
  { path: ENDPOINTS.token, methods: ['POST'], callers: ['tpp'] },
  { path: ENDPOINTS.pushed_authorization_request, methods: ['POST'], callers: ['tpp'] },
  { path: ENDPOINTS.backchannel_authentication, methods: ['POST'], callers: ['tpp'] },
  { path: ENDPOINTS.introspection, methods: ['POST'], callers: ['resource-server', 'tpp'] },
  {
    path: CLIENT_KEYS_ROUTE,
    name: `${CLIENT_KEYS_PATH}{client}`,
    methods: READ,
    callers: ['resource-server'],
  },
  {
    path: CONSENT_INFORMATION_ROUTE,
    name: `${CONSENT_INFORMATION_PATH}{consent}`,
    methods: READ,
    callers: ['resource-server'],
  },
  { path: ENDPOINTS.revocation, methods: ['POST'], callers: ['tpp'] },
  { path: SELF_CHECK_PATH, methods: READ, callers: ['tpp'] },
  { path: REGISTRATION_PATH, methods: ['POST'], callers: ['tpp'] },
  {
    path: REGISTERED_CLIENT_ROUTE,
    name: `${REGISTRATION_PATH}/{client}`,
    methods: ['GET', 'PUT', 'DELETE'],
    callers: ['tpp'],
  },
  { path: ENDPOINTS.userinfo, methods: ['GET', 'POST'], callers: ['tpp'] },
  { path: GRANTS_ROUTE, name: `${GRANTS_PATH}{grant}`, methods: ['GET', 'DELETE'], callers: ['tpp'] },
];
const EXACT: ReadonlyMap<string, Route> = new Map(
  ROUTES.flatMap((route) => (typeof route.path === 'string' ? [[route.path, route]] : [])),
);
const PATTERNS = ROUTES.flatMap((route) =>
  route.path instanceof RegExp ? [{ pattern: route.path, route }] : [],
);

/** The name of the route of a path, for metrics and traces; undefined for a path that is no route. */
export function routeName(path: string): string | undefined {
  if (EXACT.has(path)) return path;
  return PATTERNS.find(({ pattern }) => pattern.test(path))?.route.name;
}

/**
 * Passes only the routes of the listener, exactly as they are written: the provider's own router would also match
 * another case and a trailing slash. Sets `ctx.state.callers`.
 *
 * @throws ERR_HTTP_NOT_FOUND, ERR_HTTP_METHOD
 */
export const findRoute: Middleware = (ctx, next) => {
  const { path } = ctx;
  const route = EXACT.get(path) ?? PATTERNS.find(({ pattern }) => pattern.test(path))?.route;
  ctx.state.callers = route?.callers;
  if (route === undefined || !isOn(listenerOf(ctx.req), route)) {
    const isElsewhere = route !== undefined;
    throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: path.slice(0, 200), isElsewhere });
  }
  if (!route.methods.includes(ctx.method)) {
    throw new OpenBankingError('ERR_HTTP_METHOD', { method: ctx.method, allowed: route.methods });
  }
  return next();
};

function isOn(listener: ListenerName, { callers }: Route): boolean {
  return callers.some((caller) => LISTENERS_OF[caller].includes(listener));
}

/** Whether the route of the request is for that kind of caller, perhaps beside others. */
export function isFor(caller: Caller, ctx: Pick<Context, 'state'>): boolean {
  return (ctx.state.callers as readonly Caller[] | undefined)?.includes(caller) === true;
}

/**
 * Whether a refusal is shown as a page. Programs get JSON whatever their Accept field holds: that of Java prefers HTML.
 * An address without a route shows a page to a browser that navigates there (Fetch Metadata), and to nothing else.
 */
export function isPageWanted(ctx: Context): boolean {
  if (listenerOf(ctx.req) !== 'front' || ctx.accepts('json', 'html') !== 'html') return false;
  return ctx.state.callers === undefined ? ctx.get('sec-fetch-mode') === 'navigate' : isFor('browser', ctx);
}

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

/** @throws ERR_HTTP_NOT_FOUND where the part of the server is off */
export function whereOpen(part: object | undefined): Middleware {
  return (ctx, next) => {
    if (part === undefined) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: ctx.path });
    return next();
  };
}
