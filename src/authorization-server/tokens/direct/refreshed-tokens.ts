import type { AdapterPayload, Client, KoaContextWithOIDC } from 'oidc-provider';
import { epochSeconds } from '../../../clock.ts';
import { type Profiles, profileOf, rotatesRefreshTokens } from '../../profiles/profiles.ts';
import type { ModelRecords } from '../../models/adapter.ts';
import { senderConstraintOf } from '../../profiles/sender-constraint.ts';
import { newIdentifier } from '../../provider-internals.ts';
import { actingTpp, gateCertificate } from '../../request/tpp-gate.ts';
import { signJwt } from '../../signing/signer.ts';
import { scopesOfEarlierGrant } from '../api-scopes.ts';
import {
  authenticationClaims,
  tokenClaims,
  type TokenClaimsOptions,
  type TokenTpp,
  withinGrant,
} from '../token-claims.ts';
import { signAccessToken } from './access-jwt.ts';
import type { ClientTokensOptions, TokenAnswer } from './client-tokens.ts';

export interface RefreshedTokensOptions extends ClientTokensOptions {
  readonly profiles: Profiles;
  /** Rotates for every client, also where its profile does not. */
  readonly rotatesRefreshTokens: boolean;
}

export interface RefreshedTokensParts extends Pick<TokenClaimsOptions, 'tokenStatus'> {
  readonly adapters: (model: string) => ModelRecords;
}

/** A successful answer to a refresh (RFC 6749 §6). */
export interface RefreshAnswer extends TokenAnswer {
  readonly id_token?: string;
  readonly refresh_token: string;
}

/**
 * Access tokens and ID tokens for a refresh token that stays the same (RFC 6749 §6): claims, records and answer are those of
 * the provider's handler of the grant. With that handler a refresh takes 1.35 to 1.5 × the CPU (JWT) or 1.19 × (opaque)
 * (`npm run bench -- flows`).
 * test/authorization-server/tokens compares both.
 *
 * Only tokens that are bound to the certificate of the request (RFC 8705 §3.1), for the bank's APIs, of a grant without
 * details and without claims that the request asked for.
 */
export class RefreshedTokens {
  readonly #options: RefreshedTokensOptions & TokenClaimsOptions;
  readonly #refreshTokens: Pick<ModelRecords, 'find'>;
  readonly #grants: Pick<ModelRecords, 'find'>;
  readonly #accessTokens: Pick<ModelRecords, 'upsert'>;

  constructor(options: RefreshedTokensOptions, { tokenStatus, adapters }: RefreshedTokensParts) {
    this.#options = { ...options, tokenStatus };
    this.#refreshTokens = adapters('RefreshToken');
    this.#grants = adapters('Grant');
    this.#accessTokens = adapters('AccessToken');
  }

  /**
   * New tokens for the client of a request. Undefined, with nothing changed, where the provider must refuse the request, or
   * knows another kind of token.
   *
   * @throws the refusals of `tokenClaims`, of the signer and of the adapter
   */
  async issue(
    ctx: KoaContextWithOIDC,
    client: Client,
    refreshToken: string,
  ): Promise<RefreshAnswer | undefined> {
    const tpp = actingTpp(ctx);
    const thumbprint = gateCertificate(ctx)?.thumbprint;
    if (tpp === undefined || thumbprint === undefined || !this.#isPlainClient(client)) return undefined;
    const source = await this.#refreshTokens.find(refreshToken);
    if (!this.#isPlainSource(source, client, thumbprint)) return undefined;
    const grant = await this.#grants.find(source.grantId);
    if (!this.#isPlainGrant(grant, source)) return undefined;
    const asked: Asked = { ctx, client, tpp, thumbprint, source, grant };
    ctx.oidc.entity('RefreshToken', source as never);
    ctx.oidc.entity('Grant', grant as never);
    const opened = scopesOfEarlierGrant(this.#options, ctx, { client, holder: tpp });
    const scopes = source.scope.split(' ');
    const scope = (grant.resources[this.#options.resource] ?? '')
      .split(' ')
      .filter((name) => scopes.includes(name) && opened.includes(name))
      .join(' ');
    const extra = {
      ...(await tokenClaims(this.#options, tpp, {
        clientId: client.clientId,
        grantId: source.grantId,
        scope,
      })),
      ...authenticationClaims(ctx),
    };
    const seconds = withinGrant(this.#options.clock, ctx, this.#options.accessTokenSeconds);
    const token = { ...asked, scope, extra, seconds };
    const { accessTokenFormat: format } = this.#options;
    const [access, id] = await Promise.all([
      format === 'jwt' ? this.#signed(token) : this.#kept(token),
      scopes.includes('openid') ? this.#idToken(asked) : undefined,
    ]);
    return {
      access_token: access,
      expires_in: seconds,
      ...(id === undefined ? {} : { id_token: id }),
      refresh_token: refreshToken,
      scope,
      token_type: 'Bearer',
    };
  }

  #isPlainClient(client: Client): boolean {
    return (
      senderConstraintOf(client) === 'certificate' &&
      client.idTokenSignedResponseAlg === 'ES256' &&
      client.idTokenEncryptedResponseEnc === undefined &&
      !rotatesRefreshTokens(this.#options, client)
    );
  }

  /** Whether the refresh token is live, of the client, and of a kind that is known here. */
  #isPlainSource(
    source: AdapterPayload | undefined,
    { clientId }: Client,
    thumbprint: string,
  ): source is Source {
    if (source === undefined) return false;
    const { accountId, grantId, scope, resource, rar, claims } = source as Partial<Source>;
    return (
      source.clientId === clientId &&
      this.#isLive(source) &&
      source.consumed === undefined &&
      [undefined, thumbprint].includes(source['x5t#S256']) &&
      source.jkt === undefined &&
      source.attestationJkt === undefined &&
      !source.expiresWithSession &&
      accountId !== undefined &&
      grantId !== undefined &&
      Boolean(scope) &&
      resource === this.#options.resource &&
      rar === undefined &&
      Object.keys(claims?.id_token ?? {}).length === 0
    );
  }

  #isPlainGrant(grant: AdapterPayload | undefined, source: Source): grant is Granted {
    if (grant === undefined) return false;
    const { resources, openid, rejected = {} } = grant as Partial<Granted>;
    return (
      grant.clientId === source.clientId &&
      grant.accountId === source.accountId &&
      this.#isLive(grant) &&
      resources !== undefined &&
      Object.keys(rejected).length === 0 &&
      // An ID token without this scope of the grant has no subject.
      (!source.scope.split(' ').includes('openid') || openid?.scope?.split(' ').includes('openid') === true)
    );
  }

  #isLive({ exp }: AdapterPayload): boolean {
    return exp !== undefined && exp > this.#now();
  }

  #now(): number {
    return epochSeconds(this.#options.clock.now());
  }

  #signed({ client, source, thumbprint, scope, extra, seconds }: RefreshedToken): Promise<string> {
    const iat = this.#now();
    const of = { subject: source.accountId, clientId: client.clientId };
    return signAccessToken(this.#options, { ...of, scope, iat, exp: iat + seconds, thumbprint, extra });
  }

  /** An opaque access token. A grant that ends now refuses its record. */
  async #kept({ client, source, thumbprint, scope, extra, seconds }: RefreshedToken): Promise<string> {
    const jti = newIdentifier();
    const iat = this.#now();
    const { gty, accountId, grantId, sessionUid, sid, expiresWithSession } = source;
    const payload: AdapterPayload = {
      ...{ iat, exp: iat + seconds, kind: 'AccessToken', jti, clientId: client.clientId },
      gty: gty === undefined || gty.endsWith('refresh_token') ? gty : `${gty} refresh_token`,
      ...{ accountId, grantId, sessionUid, sid, expiresWithSession },
      ...{ scope, aud: this.#options.resource, 'x5t#S256': thumbprint, extra },
    };
    await this.#accessTokens.upsert(jti, payload, seconds);
    return jti;
  }

  /** An ID token (OpenID Connect Core §12.2) with no claims but those of `openid`. */
  #idToken({ client, source }: Asked): Promise<string> {
    const { issuer, signer, profiles } = this.#options;
    const iat = this.#now();
    const { accountId, authTime, acr, amr, nonce, sid } = source;
    return signJwt(signer, {
      claims: {
        ...{ sub: accountId, auth_time: authTime, acr, amr, nonce, sid },
        aud: client.clientId,
        exp: iat + profileOf(client, profiles).idTokenSeconds,
        iat,
        iss: issuer,
      },
    });
  }
}

/** A record of a refresh token that is plain. */
interface Source extends AdapterPayload {
  readonly accountId: string;
  readonly grantId: string;
  readonly scope: string;
}

/** A record of a grant that is plain. */
interface Granted extends AdapterPayload {
  readonly resources: Readonly<Record<string, string>>;
  readonly openid?: { readonly scope?: string };
  readonly rejected?: object;
}

interface Asked {
  readonly ctx: KoaContextWithOIDC;
  readonly client: Client;
  readonly tpp: TokenTpp;
  /** Of the certificate (RFC 8705 §3.1). */
  readonly thumbprint: string;
  readonly source: Source;
  readonly grant: Granted;
}

interface RefreshedToken extends Asked {
  readonly scope: string;
  readonly extra: Record<string, unknown>;
  readonly seconds: number;
}
