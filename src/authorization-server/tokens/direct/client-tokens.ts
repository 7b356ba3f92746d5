import type { Adapter, AdapterPayload, Client, KoaContextWithOIDC } from 'oidc-provider';
import { epochSeconds } from '../../../clock.ts';
import { senderConstraintOf } from '../../profiles/sender-constraint.ts';
import { newIdentifier, runInContext } from '../../provider-internals.ts';
import { actingTpp, gateCertificate } from '../../request/tpp-gate.ts';
import type { FollowedSigner } from '../../signing/signer.ts';
import { type ApiScopesOptions, mayAskWithoutCustomer } from '../api-scopes.ts';
import { tokenClaims, type TokenClaimsOptions } from '../token-claims.ts';
import { type AccessTokenFacts, signAccessToken } from './access-jwt.ts';

export interface ClientTokensOptions
  extends Omit<ApiScopesOptions, 'authorisationStatus'>,
    Omit<TokenClaimsOptions, 'tokenStatus'> {
  readonly issuer: string;
  readonly signer: FollowedSigner;
}

/** A request for a token. */
export interface AskedToken {
  readonly client: Client;
  /** Scopes with one space between (RFC 6749 §3.3). */
  readonly scope: string;
  readonly resource: string | undefined;
}

/** A successful answer of the token endpoint (RFC 6749 §5.1). */
export interface TokenAnswer {
  readonly access_token: string;
  readonly expires_in: number;
  readonly scope: string;
  readonly token_type: 'Bearer';
}

/**
 * Access tokens of clients without a customer (RFC 6749 §4.4): claims, record and answer are those of the provider's handler
 * of the grant. With that handler a request takes 1.16 to 1.2 × the CPU (`npm run bench -- tokens`).
 * test/authorization-server/tokens compares both.
 *
 * Only tokens that are bound to the certificate of the request (RFC 8705 §3.1), for the bank's APIs.
 */
export class ClientTokens {
  readonly #options: ClientTokensOptions & TokenClaimsOptions;
  readonly #adapter: Pick<Adapter, 'upsert'>;

  /** Opaque tokens are kept by `adapter`. */
  constructor(
    options: ClientTokensOptions,
    {
      adapter,
      ...parts
    }: Pick<TokenClaimsOptions, 'tokenStatus'> & { readonly adapter: Pick<Adapter, 'upsert'> },
  ) {
    this.#options = { ...options, ...parts };
    this.#adapter = adapter;
  }

  /**
   * A token for the client of a request. Undefined where the provider must refuse the request, or knows another kind of token.
   *
   * @throws the refusals of `tokenClaims`, of the signer and of the adapter
   */
  async issue(
    ctx: KoaContextWithOIDC,
    { client, scope: asked, resource }: AskedToken,
  ): Promise<TokenAnswer | undefined> {
    const { accessTokenFormat, accessTokenSeconds: seconds, clock } = this.#options;
    const holder = actingTpp(ctx);
    const certificate = gateCertificate(ctx);
    if (holder === undefined || certificate === undefined) return undefined;
    if (senderConstraintOf(client) !== 'certificate' || !this.#isForApis(resource)) return undefined;
    const scopes = [...new Set(asked.split(' '))];
    if (!mayAskWithoutCustomer(this.#options, { client, holder, asked: scopes })) return undefined;
    const scope = scopes.join(' ');
    const { clientId } = client;
    const extra = await tokenClaims(this.#options, holder, { clientId, scope });
    const iat = epochSeconds(clock.now());
    const { thumbprint } = certificate;
    const token = { subject: clientId, clientId, scope, iat, exp: iat + seconds, thumbprint, extra };
    const value = await (accessTokenFormat === 'jwt'
      ? signAccessToken(this.#options, token)
      : this.#kept(ctx, token));
    return { access_token: value, expires_in: seconds, scope, token_type: 'Bearer' };
  }

  #isForApis(resource: string | undefined): boolean {
    return resource === undefined || resource === this.#options.resource;
  }

  /** An opaque token. The adapter counts it for the client of the request. */
  async #kept(
    ctx: KoaContextWithOIDC,
    { clientId, scope, iat, exp, thumbprint, extra }: AccessTokenFacts,
  ): Promise<string> {
    const jti = newIdentifier();
    const { resource: aud } = this.#options;
    const bound = { clientId, scope, aud, 'x5t#S256': thumbprint };
    const payload: AdapterPayload = { iat, exp, kind: 'ClientCredentials', jti, ...bound, extra };
    await runInContext(ctx, () => this.#adapter.upsert(jti, payload, exp - iat));
    return jti;
  }
}
