import type {
  AccessToken,
  KoaContextWithOIDC,
  RichAuthorizationRequestsActiveConfiguration,
  RichAuthorizationRequestsConfiguration,
} from 'oidc-provider';
import type { AuthorizationDetail } from '../../consent/details/authorization-detail.ts';
import type { DetailTypes } from '../../consent/details/detail-types.ts';
import { asProviderError } from '../request/oauth-error.ts';

export interface GrantedDetailsOptions {
  readonly detailTypes: DetailTypes;
  /** The resource indicator of the bank's APIs. */
  readonly resource: string;
}

type ActiveFeature = RichAuthorizationRequestsActiveConfiguration &
  Pick<RichAuthorizationRequestsConfiguration, 'authorizationDetailsForIntrospection'>;

/** A token or its source in the provider, as far as details are concerned; missing from the published types. */
interface WithDetails {
  readonly rar?: readonly AuthorizationDetail[] | undefined;
}

/**
 * The provider's `richAuthorizationRequests` (RFC 9396): a code has the details that the customer allowed, and an access token
 * those of them that its request asks for and that its scopes open.
 */
export function grantedDetails({ detailTypes, resource }: GrantedDetailsOptions) {
  const validate = (_ctx: unknown, detail: unknown) =>
    asProviderError(() => detailTypes.assertDetail(detail));
  return {
    enabled: detailTypes.names.length > 0,
    types: Object.fromEntries(detailTypes.names.map((type) => [type, { validate }])),
    authorizationDetailsForGrantSource: (ctx) => mutable((ctx.oidc.entities.Grant as WithDetails).rar),
    authorizationDetailsForAccessToken: (ctx, token, source) =>
      asProviderError(() => {
        const allowed = (source as WithDetails | undefined)?.rar ?? [];
        const wished = wishedDetails(ctx, allowed, detailTypes);
        const scopes = new Set((token.scope ?? '').split(' '));
        const isOpened = ({ type }: AuthorizationDetail) => scopes.has(detailTypes.scopes[type] ?? '');
        const kept = wished.filter((detail) => isFor(detail, resource) && isOpened(detail));
        leaveScopes(token as AccessToken, allowed, { kept, detailTypes });
        return mutable(kept);
      }),
    authorizationDetailsForIntrospection: (_ctx, token) => mutable((token as WithDetails).rar),
  } satisfies ActiveFeature;
}

/** The details that a token request wishes of the allowed ones; all of them where it wishes none in particular. */
function wishedDetails(
  ctx: KoaContextWithOIDC,
  allowed: readonly AuthorizationDetail[],
  detailTypes: DetailTypes,
): readonly AuthorizationDetail[] {
  const text = ctx.oidc.params?.authorization_details;
  if (typeof text !== 'string') return allowed;
  return detailTypes.narrow(detailTypes.parse(JSON.parse(text)), allowed);
}

/** A token without details of a type that was allowed has not the scope of that type either: it would open more. */
function leaveScopes(
  token: AccessToken,
  allowed: readonly AuthorizationDetail[],
  { kept, detailTypes }: { readonly kept: readonly AuthorizationDetail[]; readonly detailTypes: DetailTypes },
): void {
  const scopeOf = ({ type }: AuthorizationDetail) => detailTypes.scopes[type];
  const left = new Set(kept.map(scopeOf));
  const gone = new Set(allowed.map(scopeOf).filter((scope) => !left.has(scope)));
  if (gone.size === 0 || token.scope === undefined) return;
  token.scope = token.scope
    .split(' ')
    .filter((scope) => !gone.has(scope))
    .join(' ');
}

function isFor({ locations }: AuthorizationDetail, resource: string): boolean {
  return !Array.isArray(locations) || locations.includes(resource);
}

/** The provider takes lists that it could change. */
function mutable(details: readonly AuthorizationDetail[] | undefined) {
  return details === undefined ? undefined : details.map((detail) => ({ ...detail }));
}
