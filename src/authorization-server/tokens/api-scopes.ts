import type { Client, KoaContextWithOIDC, ResourceServer } from 'oidc-provider';
import type { Clock } from '../../clock.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import {
  type AuthorisationStatus,
  assertScopesAllowed,
  scopesAllowed,
} from '../../tpp/authorisation-status.ts';
import type { PspRole } from '../../../tpp-registry/index.ts';
import { CIBA_GRANT, OPENID_SCOPES, tppOf } from '../clients/registered-client.ts';
import { GRANT_MANAGEMENT_SCOPES } from './grant-management-scopes.ts';
import { withinGrant } from './token-claims.ts';
import { errors } from '../provider-internals.ts';
import { isReference, scopeOfReference } from '../request/authorization-request/named-access.ts';
import { asProviderError, providerError, refusing } from '../request/oauth-error.ts';
import { actingTpp } from '../request/tpp-gate.ts';

export interface ApiScopesOptions {
  /** The resource indicator of the bank's APIs (RFC 8707): the audience of access tokens. */
  readonly resource: string;
  /** Every scope of the APIs. */
  readonly apiScopes: readonly string[];
  readonly authorisationStatus: AuthorisationStatus;
  readonly accessTokenSeconds: number;
  readonly clock: Clock;
  readonly accessTokenFormat: 'jwt' | 'opaque';
  /** Absent: clients cannot manage their grants. */
  readonly grantManagement?: unknown;
}

/** A request for an access, as the first judge of it finds it. */
export interface AskedScopes {
  /** Those of the request, with those that its details or its consent open. */
  readonly scopes: readonly string[];
}

/** Judges what an authorization request asks for. @throws refusals */
export type AccessJudge = (request: {
  readonly params: Readonly<Record<string, unknown>>;
  readonly client: Client;
}) => Promise<AskedScopes>;

/** Endpoints that take authorization requests. At `resume` the request was judged. */
const ASKING: readonly string[] = [
  'authorization',
  'pushed_authorization_request',
  'backchannel_authentication',
];
/** Those of them after which a customer is asked: a pushed request comes back as it was. */
const OF_BROWSER_OR_DEVICE: readonly string[] = ['authorization', 'backchannel_authentication'];

/** Grants that were made before: their scopes are cut to today's roles instead of refused. */
const EARLIER_GRANTS: readonly unknown[] = ['authorization_code', 'refresh_token', CIBA_GRANT];

/**
 * The provider's `resourceIndicators`: which resource and which scopes a request is for. TPPs send no `resource`, so the bank's APIs are the default
 * whenever something of theirs is asked for. A scope whose role the TPP does not hold is refused when it is
 * asked for, and falls away when an earlier grant is used (PSD2 articles 66 and 67, TS 119 495 cl. 5.2.2).
 */
export function apiScopes(options: ApiScopesOptions, judge: AccessJudge) {
  const judged = new WeakMap<KoaContextWithOIDC, Promise<AskedScopes>>();
  /** The scopes that an authorization request asks for: judged once a request, whichever hook the provider calls first. */
  const askedScopes = async (ctx: KoaContextWithOIDC, client: Client): Promise<readonly string[]> => {
    if (!ASKING.includes(ctx.oidc.route)) return requestedScopes(ctx);
    const known = judged.get(ctx) ?? judge({ params: paramsOf(ctx), client });
    judged.set(ctx, known);
    const { scopes } = await refusing(known);
    if (scopes.length === 0) throw providerError(new OpenBankingError('ERR_SCOPE_MISSING', {}));
    return scopes;
  };
  return {
    enabled: true,
    useGrantedResource: () => true,

    defaultResource: async (ctx: KoaContextWithOIDC, client: Client, oneOf?: readonly string[]) => {
      if (oneOf !== undefined && oneOf.length > 0) return oneOf;
      if (ctx.oidc.params?.grant_type === 'client_credentials') return options.resource;
      const asked = await askedScopes(ctx, client);
      const isForApis = asked.some((scope) => !OPENID_SCOPES.includes(scope));
      // A token request for some of the details is for the APIs, whatever its scopes.
      const isOfDetails = ctx.oidc.params?.authorization_details !== undefined;
      return isForApis || isOfDetails ? options.resource : undefined;
    },

    getResourceServerInfo: async (
      ctx: KoaContextWithOIDC,
      resource: string,
      client: Client,
    ): Promise<ResourceServer> => {
      if (resource !== options.resource) throw new errors.InvalidTarget();
      // The browser of the PSU brings no certificate.
      const holder =
        actingTpp(ctx) ?? asProviderError(() => options.authorisationStatus.verify(tppOf(client)));
      const isForNobody = ctx.oidc.params?.grant_type === 'client_credentials';
      const known = isForNobody ? scopesWithoutCustomer(options, client) : scopesOfApis(options, client);
      if (!EARLIER_GRANTS.includes(ctx.oidc.params?.grant_type)) {
        const asked = await askedScopes(ctx, client);
        const allowed = isForNobody ? known : [...OPENID_SCOPES, ...known, ...referencesOf(asked)];
        asProviderError(() => assertScopes(asked, allowed, holder));
        if (OF_BROWSER_OR_DEVICE.includes(ctx.oidc.route)) setScopes(ctx, asked);
      }
      return {
        scope: openedScopes(ctx, holder, known).join(' '),
        audience: options.resource,
        accessTokenTTL: withinGrant(options.clock, ctx, options.accessTokenSeconds),
        accessTokenFormat: options.accessTokenFormat,
        jwt: { sign: { alg: 'ES256' } },
      };
    },
  };
}

type OfferedScopes = Pick<ApiScopesOptions, 'apiScopes' | 'grantManagement'>;

/** The scopes of the bank's APIs that a client is registered for. */
function scopesOfApis({ apiScopes: offered }: OfferedScopes, client: Client): readonly string[] {
  const own = clientScopes(client);
  return offered.filter((scope) => own.includes(scope));
}

/** The scopes that a client may ask for without a customer. */
function scopesWithoutCustomer(options: OfferedScopes, client: Client): readonly string[] {
  const ofApis = scopesOfApis(options, client);
  return options.grantManagement === undefined ? ofApis : [...ofApis, ...GRANT_MANAGEMENT_SCOPES];
}

/** Whether `getResourceServerInfo` refuses none of the scopes that a client asks for without a customer (RFC 6749 §4.4). */
export function mayAskWithoutCustomer(
  options: OfferedScopes,
  { client, holder, asked }: { client: Client; holder: RoleHolder; asked: readonly string[] },
): boolean {
  try {
    assertScopes(asked, scopesWithoutCustomer(options, client), holder);
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

/**
 * The scopes that the roles of the holder allow today for the earlier grant of a request, whose code or token is among the
 * entities of the request.
 */
export function scopesOfEarlierGrant(
  options: OfferedScopes,
  ctx: KoaContextWithOIDC,
  { client, holder }: { readonly client: Client; readonly holder: RoleHolder },
): readonly string[] {
  return openedScopes(ctx, holder, scopesOfApis(options, client));
}

/** Those of the known scopes that a token may have. */
function openedScopes(
  ctx: KoaContextWithOIDC,
  holder: RoleHolder,
  known: readonly string[],
): readonly string[] {
  const scopes = scopesAllowed(holder.roles, known);
  // A token for the APIs opens userinfo too, when the customer agreed to it.
  return ['openid', ...scopes, ...openReferences(ctx, scopes)];
}

/** References to consents among the scopes of a request, or of the code or token of an earlier grant, whose service is allowed. */
function openReferences(ctx: KoaContextWithOIDC, allowed: readonly string[]): readonly string[] {
  const { AuthorizationCode, RefreshToken, BackchannelAuthenticationRequest } = ctx.oidc.entities;
  const earlier = [AuthorizationCode, RefreshToken, BackchannelAuthenticationRequest].flatMap(
    (source) => (source as { readonly scope?: string } | undefined)?.scope?.split(' ') ?? [],
  );
  const all = [...requestedScopes(ctx), ...earlier];
  return [...new Set(referencesOf(all))].filter((reference) => {
    const needed = scopeOfReference(reference);
    return needed === undefined ? all.some((scope) => allowed.includes(scope)) : allowed.includes(needed);
  });
}

function referencesOf(scopes: readonly string[]): readonly string[] {
  return scopes.filter(isReference);
}

/** The request goes on with the scopes that its details open: code and token have them, and the answer names them. */
function setScopes(ctx: KoaContextWithOIDC, scopes: readonly string[]): void {
  if (ctx.oidc.params !== undefined) ctx.oidc.params.scope = scopes.join(' ');
}

function paramsOf(ctx: KoaContextWithOIDC): Readonly<Record<string, unknown>> {
  return ctx.oidc.params ?? {};
}

interface RoleHolder {
  readonly authorizationNumber: string;
  readonly roles: ReadonlySet<PspRole>;
}

/** @throws ERR_SCOPE_MISSING, ERR_SCOPE_UNKNOWN, ERR_TPP_ROLE_MISSING */
function assertScopes(requested: readonly string[], known: readonly string[], holder: RoleHolder): void {
  if (requested.length === 0) throw new OpenBankingError('ERR_SCOPE_MISSING', {});
  const unknown = requested.find((scope) => !known.includes(scope));
  if (unknown !== undefined) {
    throw new OpenBankingError('ERR_SCOPE_UNKNOWN', { scope: unknown.slice(0, 100) });
  }
  assertScopesAllowed(holder, requested);
}

function requestedScopes(ctx: KoaContextWithOIDC): string[] {
  const scope = ctx.oidc.params?.scope;
  return typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [];
}

function clientScopes(client: Client): string[] {
  return typeof client.api_scope === 'string' ? client.api_scope.split(' ') : [];
}
