import { OpenBankingError } from '../../errors.ts';
import { isPlain, namesAccount, pathOf, patternOf } from '../decision/path-pattern.ts';
import type { OriginalRequest, Protection } from '../decision/protection.ts';
import { assertRequirement, type RouteRequirement } from '../decision/route-requirement.ts';

/** The requirement of a request of the protected API. */
export interface GatewayRoute extends RouteRequirement<OriginalRequest> {
  /**
   * As in `/accounts/*`: `*` is one segment; `**` at the end is everything below, and the place itself. `{account}` is one
   * segment that names an account of the consent, which is `covers.account` of the route.
   */
  readonly path: string;
  /** Default: every method. HEAD is allowed where GET is (RFC 9110 §9.3.2). */
  readonly methods?: readonly string[] | undefined;
}

/**
 * Finds what an original request needs: the first route that fits.
 *
 * @throws TypeError for routes that cannot work
 */
export function gatewayRoutes(
  routes: readonly GatewayRoute[],
  protection: Pick<Protection, 'knowsConsents'>,
): (original: OriginalRequest) => GatewayRoute {
  if (!Array.isArray(routes) || routes.length === 0) throw new TypeError('there must be at least one route');
  const compiled = routes.map((route: GatewayRoute) => {
    const pattern = patternOf(route.path);
    const complete = withAccount(route);
    assertRequirement(complete, protection);
    return { route: complete, pattern };
  });
  return ({ method, url }) => {
    const path = pathOf(url);
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

function withAccount(route: GatewayRoute): GatewayRoute {
  const { path, covers } = route;
  if (!namesAccount(path)) return route;
  if (covers?.account !== undefined)
    throw new TypeError('an account in the path leaves none to covers.account');
  return { ...route, covers: { ...covers, account: path } };
}
