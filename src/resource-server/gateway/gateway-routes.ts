import { OpenBankingError } from '../../errors.ts';
import { assertRequirement, type OriginalRequest, type RouteRequirement } from '../decision/protection.ts';

/** The requirement of a request of the protected API. */
export interface GatewayRoute extends RouteRequirement {
  /** As in `/accounts/*`: `*` is one segment; `**` at the end is everything below, and the place itself. */
  readonly path: string;
  /** Default: every method. HEAD is allowed where GET is (RFC 9110 §9.3.2). */
  readonly methods?: readonly string[] | undefined;
}

const CHARACTERS = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9A-Fa-f]{2})*$/;
const UNUSUAL_SEGMENT = /\/\.{0,2}\/|\/\.{1,2}$/;
/** Characters that need no escape, and those that some software takes for a separator or an end. */
const NEVER_ESCAPED = /[A-Za-z0-9\-._~/\\;%?#\p{Cc}]/u;

/**
 * Finds what an original request needs: the first route that fits.
 *
 * @throws TypeError for routes that cannot work
 */
export function gatewayRoutes(routes: readonly GatewayRoute[]): (original: OriginalRequest) => GatewayRoute {
  if (!Array.isArray(routes) || routes.length === 0) throw new TypeError('there must be at least one route');
  const compiled = routes.map((route: GatewayRoute) => {
    assertRequirement(route);
    return { route, pattern: patternOf(route.path) };
  });
  return ({ method, url }) => {
    const path = url.split('?', 1)[0] ?? '';
    if (!isPlain(path)) {
      throw new OpenBankingError('ERR_HTTP_MALFORMED', { problem: 'the path is not in its plain form' });
    }
    const there = compiled.filter(({ pattern }) => pattern.test(path));
    const wanted = method === 'HEAD' ? ['HEAD', 'GET'] : [method];
    const found = there.find(({ route }) => route.methods?.some((one) => wanted.includes(one)) ?? true);
    if (found !== undefined) return found.route;
    const allowed = there.flatMap(({ route }) => route.methods ?? []);
    throw there.length === 0
      ? new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: path.slice(0, 200) })
      : new OpenBankingError('ERR_HTTP_METHOD', { method, allowed });
  };
}

/**
 * One spelling of a path only: proxy, gateway and API may take `//`, `/../`, `%2e`, `%2F`, `;` or `\` each for
 * something else, and then the requirement of one address would guard another (RFC 3986 §6.2.2).
 */
function isPlain(path: string): boolean {
  if (!CHARACTERS.test(path) || UNUSUAL_SEGMENT.test(path)) return false;
  const escapes = path.match(/%[0-9A-Fa-f]{2}/g) ?? [];
  return !escapes.some((code) => NEVER_ESCAPED.test(String.fromCharCode(Number.parseInt(code.slice(1), 16))));
}

function patternOf(path: string): RegExp {
  if (typeof path !== 'string' || !/^\/[A-Za-z0-9\-._~/*]*$/.test(path) || path.slice(0, -2).includes('**')) {
    throw new TypeError(`the path of a route must be plain, not ${JSON.stringify(path)}`);
  }
  const isOpen = path.endsWith('/**');
  const segments = (isOpen ? path.slice(0, -'/**'.length) : path).split('/').map((segment) => {
    if (segment === '*') return '[^/]+';
    if (segment.includes('*')) throw new TypeError(`* must be a whole segment: ${path}`);
    return segment.replaceAll(/[.~-]/g, '\\$&');
  });
  return new RegExp(`^${segments.join('/')}${isOpen ? '(?:/.*)?' : ''}$`);
}
