import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { Provider } from '../provider-internals.ts';
import { SIGNED_TYPE } from './introspection.ts';

/**
 * Signs every answer about a token to a client that registered an algorithm for it (RFC 9701 §6), whatever the request
 * accepts: such a client never gets an answer that someone could have changed. For every other client the Accept field
 * decides, at the provider.
 */
export function signedIntrospection(provider: Provider): Middleware {
  return async (ctx, next) => {
    await next();
    const { body } = ctx;
    const { oidc } = ctx as Context & Partial<Pick<KoaContextWithOIDC, 'oidc'>>;
    if (oidc?.client?.signs_introspection !== true || !isAnswer(body)) return;
    const token = new provider.IdToken({}, { ctx: ctx as KoaContextWithOIDC, client: oidc.client });
    token.set('token_introspection', body);
    ctx.body = await token.issue({ use: 'introspection' });
    ctx.type = SIGNED_TYPE;
  };
}

function isAnswer(body: unknown): body is Readonly<Record<'active', boolean>> {
  return typeof body === 'object' && body !== null && 'active' in body;
}
