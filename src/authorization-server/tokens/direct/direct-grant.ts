import type { Middleware } from 'koa';
import { grantHandlerOf, type Provider } from '../../provider-internals.ts';
import {
  answerDirectly,
  DIRECT_HEADERS,
  directContext,
  plainClient,
  plainRequest,
  SCOPE,
} from './direct-request.ts';
import type { RefreshedTokens } from './refreshed-tokens.ts';

/** The parameters of a plain request of each grant; the second one must be there. */
const PARAMETERS = {
  authorization_code: ['grant_type', 'code', 'code_verifier', 'redirect_uri'],
  refresh_token: ['grant_type', 'refresh_token', 'scope'],
} as const;

/**
 * A short way to the provider's own handler of codes (RFC 6749 §4.1.3) or of refresh tokens (§6), for a small form of
 * their parameters, once each, from a client that authenticates by its certificate or with an assertion. Without this
 * file a refresh costs 1.1 to 1.25 × the CPU (`npm run bench -- flows`).
 *
 * A request whose client is refused goes on to the provider, which finds the body unread. Once the client is known, the
 * handler runs once, whatever its answer: it may use up the code or the token. A refresh that changes no record is answered by
 * `refreshed` where that knows the kind of token.
 */
export function directGrant(
  provider: Provider,
  grantType: keyof typeof PARAMETERS,
  refreshed?: Pick<RefreshedTokens, 'issue'>,
): Middleware {
  const grant = grantHandlerOf(provider, grantType);
  const parameters = PARAMETERS[grantType];
  return async (ctx, next) => {
    const request = plainRequest(ctx.req, parameters);
    const params = request?.params ?? {};
    const { grant_type: asked, scope } = params;
    const isPlain =
      asked === grantType &&
      params[parameters[1]] !== undefined &&
      (scope === undefined || SCOPE.test(scope));
    const client = request !== undefined && isPlain ? await plainClient(provider, request) : undefined;
    if (request === undefined || client?.grantTypeAllowed(grantType) !== true) return next();
    const context = await directContext(provider, ctx, { route: 'token', ...request, client });
    if (context === undefined) return next();
    ctx.set(DIRECT_HEADERS);
    await answerDirectly(context, 'grant.error', async () => {
      const token = scope === undefined ? params.refresh_token : undefined;
      const answer = token === undefined ? undefined : await refreshed?.issue(context, client, token);
      if (answer === undefined) await grant(context);
      else context.body = answer;
      provider.emit('grant.success', context);
    });
  };
}
