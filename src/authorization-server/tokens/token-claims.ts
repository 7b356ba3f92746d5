import type { KoaContextWithOIDC } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { consentIdOf } from '../../consent/consent.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { TppRecord } from '../../../tpp-registry/index.ts';
import type { Tpp } from '../../tpp/authenticate.ts';
import { providerError } from '../request/oauth-error.ts';
import type { HolderCertificate, TokenHolder } from '../token-status/token-holder.ts';
import type { TokenStatus } from '../token-status/token-status.ts';

export interface TokenClaimsOptions {
  readonly tokenStatus: Pick<TokenStatus, 'reference'>;
  readonly consentUses: Pick<ConsentUses, 'note'>;
}

/** The TPP that tokens are issued to. */
export type TokenTpp = Tpp | TppRecord;

/** An access token of the provider, as far as its claims depend on it. */
interface IssuedToken {
  readonly clientId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly scope?: string | undefined;
}

/** The authentication of the customer, as codes, refresh tokens and backchannel requests keep it. */
interface AuthenticatedSource {
  readonly acr?: string | undefined;
  readonly amr?: readonly string[] | undefined;
  /** Epoch seconds. */
  readonly authTime?: number | undefined;
}

/**
 * How and when the customer of a token proved his identity (RFC 9470 §5, RFC 9068 §2.2.1). Empty for a token without a customer.
 */
export function authenticationClaims(ctx: KoaContextWithOIDC): Record<string, unknown> {
  const { AuthorizationCode, RefreshToken, BackchannelAuthenticationRequest } = ctx.oidc.entities;
  const source = (AuthorizationCode ??
    RefreshToken ??
    BackchannelAuthenticationRequest ??
    {}) as AuthenticatedSource;
  const { acr, amr, authTime } = source;
  return {
    ...(acr === undefined ? {} : { acr }),
    ...(amr === undefined ? {} : { amr }),
    ...(authTime === undefined ? {} : { auth_time: authTime }),
  };
}

/**
 * The facts from which a resource server decides alone: the TPP of the token, the consent, and the status-list entry.
 *
 * @throws ERR_CERT_MISSING, ERR_SCOPE_MISSING when no scope is left, ERR_STORAGE_REVOKED when the grant has ended, as provider errors
 */
export async function tokenClaims(
  { tokenStatus, consentUses }: TokenClaimsOptions,
  tpp: TokenTpp | undefined,
  { clientId, grantId, scope }: IssuedToken,
): Promise<Record<string, unknown>> {
  if (tpp === undefined || clientId === undefined) {
    throw providerError(new OpenBankingError('ERR_CERT_MISSING', {}));
  }
  if (!scope) throw providerError(new OpenBankingError('ERR_SCOPE_MISSING', {}));
  const holder = holderOf(tpp, clientId);
  const status = await tokenStatus.reference(holder, grantId).catch((error: unknown) => {
    throw isRefusal(error) ? providerError(error) : error;
  });
  const consentId = grantId === undefined ? undefined : consentIdOf(grantId);
  if (consentId !== undefined) consentUses.note(consentId);
  return {
    status,
    authorization_number: holder.authorizationNumber,
    nca: holder.nca,
    tpp_roles: holder.roles,
    ...(consentId === undefined ? {} : { consent_id: consentId }),
  };
}

/**
 * A lifetime that does not pass the end of the grant in use: neither a refresh nor a late exchange of the code
 * exceeds what the customer agreed to. Synchronous: the provider does not await it.
 */
export function withinGrant(clock: Clock, ctx: KoaContextWithOIDC | undefined, seconds: number): number {
  const { exp } = (ctx?.oidc.entities.Grant ?? {}) as { readonly exp?: number };
  if (exp === undefined) return seconds;
  return Math.max(1, Math.min(seconds, exp - epochSeconds(clock.now())));
}

/** By TPP, which is frozen: the holder of its last token. */
const holders = new WeakMap<TokenTpp, TokenHolder>();

/** The holder of the tokens that a client of this TPP gets now. Frozen. */
function holderOf(tpp: TokenTpp, clientId: string): TokenHolder {
  const known = holders.get(tpp);
  if (known?.clientId === clientId) return known;
  const holder = Object.freeze({
    clientId,
    authorizationNumber: tpp.authorizationNumber,
    nca: tpp.nca.id,
    roles: Object.freeze([...tpp.roles].sort()),
    ...('certificate' in tpp ? { certificate: holderCertificate(tpp) } : {}),
  });
  holders.set(tpp, holder);
  return holder;
}

function holderCertificate({ certificate }: Tpp): HolderCertificate {
  const { issuer, issuerKeyHash, serialNumber } = certificate;
  return { issuer, issuerKeyHash, serialNumber };
}
