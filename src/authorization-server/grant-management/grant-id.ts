import type { Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { consentIdOf } from '../../consent/consent.ts';
import type { GrantManagementRules } from '../request/authorization-request/grant-action.ts';

/** Adds `grant_id` to answers with tokens for a customer's grant (Grant Management for OAuth 2.0 §5.5). */
export function nameGrant(rules: GrantManagementRules | undefined): Middleware {
  return async (ctx, next) => {
    await next();
    const body = ctx.body as { readonly access_token?: string } | undefined;
    const { jti } = ((ctx as Partial<KoaContextWithOIDC>).oidc?.entities.Grant ?? {}) as {
      readonly jti?: string;
    };
    if (rules === undefined || body?.access_token === undefined || jti === undefined) return;
    ctx.body = { ...body, grant_id: consentIdOf(jti) };
  };
}
