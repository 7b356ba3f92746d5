import { bodyParser } from '@koa/bodyparser';
import { createLocalJWKSet, errors as joseErrors, type JWTPayload, jwtVerify } from 'jose';
import type { Context, Middleware } from 'koa';
import { LRUCache } from 'lru-cache';
import type { AccessToken, ClientCredentials, Provider } from 'oidc-provider';
import { type Clock, epochSeconds } from '../../clock.ts';
import { consentInformationOf } from '../../consent/consent-information.ts';
import type { ConsentRecords } from '../../consent/consent-records.ts';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import { OpenBankingError } from '../../errors.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { type RegisteredResourceServer, ResourceServerIdentification } from './resource-servers.ts';
import { type FollowedSigner, type Signer, signJwt } from '../signing/signer.ts';
import type { StatusClaim, TokenStatus } from '../token-status/token-status.ts';

export interface IntrospectionOptions {
  /** The bank's APIs that may introspect tokens. */
  readonly resourceServers: readonly RegisteredResourceServer[];
  /** Where the certificates of callers come from on the mTLS listener. */
  readonly clientCertificate: ClientCertificateSource;
  readonly consents: Pick<ConsentRecords, 'find'>;
  readonly consentUses: Pick<ConsentUses, 'note'>;
  readonly signer: Signer;
  readonly issuer: string;
  readonly clock: Clock;
}

/** Where tokens and their status are found. */
export interface TokenSources {
  readonly provider: Provider;
  readonly issuedTokens: IssuedTokens;
  readonly tokenStatus: TokenStatus;
}

/** RFC 9701 §4. */
export const SIGNED_TYPE = 'application/token-introspection+jwt';
/** A token as long as a header may be is "not active", also with each character percent-encoded. */
const MAX_BODY = '32kb';
/** As long as an API takes. */
const MAX_TOKEN_CHARACTERS = 8192;
const PARAMETERS = ['token', 'token_type_hint', 'client_id'];

type Claims = Readonly<Record<string, unknown>>;
type Answer = Claims & { readonly active: boolean };
const INACTIVE: Answer = Object.freeze({ active: false });

/**
 * Answers resource servers about access tokens, JWTs and opaque ones (RFC 7662), signed when they ask for it
 * (RFC 9701). They prove themselves by a certificate of the bank's own CA, before the gate for TPPs. A resource server
 * learns about live tokens for itself only; every other token is "not active" (RFC 7662 §4, RFC 9701 §5).
 *
 * @throws ERR_CLIENT_AUTHENTICATION, ERR_REQUEST_INVALID, and what the certificate source throws
 */
export function introspectForResourceServers(
  options: IntrospectionOptions,
  sources: TokenSources,
): Middleware {
  const identification = new ResourceServerIdentification(options.resourceServers);
  const readForm = bodyParser({
    enableTypes: ['form'],
    formLimit: MAX_BODY,
    onError: (cause) => {
      throw refused('the form cannot be read', cause);
    },
  });
  return async (ctx, next) => {
    const presented = options.clientCertificate.read(ctx.req);
    const { certificate } = presented;
    if (certificate === undefined) return next();
    const hints = () => presented.intermediates;
    const candidates = identification.find(certificate, hints, options.clock.now());
    if (candidates.length === 0) return next();
    ctx.state.certificate = certificate;
    await readForm(ctx, async () => {});
    const form = formOf(ctx);
    // RFC 8705 §2: the certificate alone does not name the client.
    const server = candidates.find((one) => one.client_id === form.get('client_id'));
    if (server === undefined) {
      throw new OpenBankingError('ERR_CLIENT_AUTHENTICATION', {
        problem: 'client_id is not of the certificate',
      });
    }
    const about = await answerAbout(form.get('token') ?? '', server.resource, sources);
    const answer = await withConsent(about, options);
    ctx.set('cache-control', 'no-store');
    if (ctx.accepts('json', SIGNED_TYPE) === SIGNED_TYPE) {
      ctx.body = await signed(answer, server, options);
      ctx.type = SIGNED_TYPE;
    } else {
      ctx.body = answer;
    }
  };
}

function formOf(ctx: Context): URLSearchParams {
  const raw = ctx.request.rawBody;
  if (typeof raw !== 'string') throw refused('the body is not a form');
  const form = new URLSearchParams(raw);
  const twice = PARAMETERS.find((name) => form.getAll(name).length > 1);
  if (twice !== undefined) throw refused(`${twice} is there more than once`);
  if (!form.get('token')) throw refused('token is missing');
  return form;
}

async function answerAbout(token: string, resource: string, sources: TokenSources): Promise<Answer> {
  const claims = await findTokenClaims(token, sources);
  if (claims === undefined || claims.aud !== resource) return INACTIVE;
  // The revocation of the token, and the authorisation status of its holder at this moment.
  const isLive = await sources.tokenStatus.isLive(claims.status as StatusClaim);
  const { jkt } = (claims.cnf ?? {}) as { readonly jkt?: string };
  const tokenType = jkt === undefined ? 'Bearer' : 'DPoP';
  return isLive ? { active: true, token_type: tokenType, ...claims } : INACTIVE;
}

/**
 * The answer with the consent of the customer as `consent`, which an API reads by its identifier too. A token whose consent
 * is not in force is "not active".
 */
async function withConsent(answer: Answer, { consents, consentUses }: IntrospectionOptions): Promise<Answer> {
  const { consent_id: consentId } = answer;
  if (typeof consentId !== 'string') return answer;
  const consent = await consents.find(consentId);
  if (consent?.status !== 'authorised') return INACTIVE;
  consentUses.note(consentId);
  return { ...answer, consent: consentInformationOf(consent) };
}

/**
 * The claims of an access token of ours that has not expired, JWT or opaque.
 *
 * Does not check its status.
 */
export async function findTokenClaims(
  token: string,
  { provider, issuedTokens }: Pick<TokenSources, 'provider' | 'issuedTokens'>,
): Promise<Claims | undefined> {
  if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
  return token.split('.').length === 3 ? issuedTokens.verify(token) : opaqueClaims(token, provider);
}

async function opaqueClaims(token: string, provider: Provider): Promise<Claims | undefined> {
  const ofCustomer = await provider.AccessToken.find(token);
  const found = ofCustomer ?? (await provider.ClientCredentials.find(token));
  if (found?.isValid !== true || !(await hasLiveGrant(provider, ofCustomer))) return undefined;
  const { extra, aud, exp, iat, scope, clientId, rar, 'x5t#S256': thumbprint, jkt } = found as FoundToken;
  return {
    ...extra,
    iss: provider.issuer,
    aud,
    exp,
    iat,
    client_id: clientId,
    sub: ofCustomer?.accountId ?? clientId,
    scope,
    authorization_details: rar,
    cnf: {
      ...(thumbprint === undefined ? {} : { 'x5t#S256': thumbprint }),
      ...(jkt === undefined ? {} : { jkt }),
    },
  };
}

/** `rar` is missing from the published types. */
type FoundToken = (AccessToken | ClientCredentials) & { readonly rar?: unknown };

async function hasLiveGrant(provider: Provider, token: AccessToken | undefined): Promise<boolean> {
  if (token?.grantId === undefined) return true;
  const grant = await provider.Grant.find(token.grantId);
  return grant?.clientId === token.clientId && grant?.accountId === token.accountId;
}

/** RFC 9701 §5: no `sub` and no `exp` of its own, so that it can never pass as an access token. */
function signed(
  answer: Answer,
  server: RegisteredResourceServer,
  { signer, issuer, clock }: IntrospectionOptions,
): Promise<string> {
  return signJwt(signer, {
    typ: 'token-introspection+jwt',
    claims: {
      token_introspection: answer,
      iss: issuer,
      aud: server.client_id,
      iat: epochSeconds(clock.now()),
    },
  });
}

function refused(problem: string, cause?: unknown): OpenBankingError<'ERR_REQUEST_INVALID'> {
  return new OpenBankingError('ERR_REQUEST_INVALID', { error: 'invalid_request', problem }, { cause });
}

/** Tokens whose signatures are remembered: about 10 MB. */
const MAX_VERIFIED = 5000;

/**
 * Our own access tokens that are JWTs. An API asks again and again about a token in use: its signature is verified once
 * under one set of keys, its end each time.
 */
export class IssuedTokens {
  readonly #issuer: string;
  readonly #clock: Clock;
  #keySet = createLocalJWKSet({ keys: [] });
  readonly #verified = new LRUCache<string, JWTPayload>({ max: MAX_VERIFIED });

  constructor(signer: FollowedSigner, issuer: string, clock: Clock) {
    this.#issuer = issuer;
    this.#clock = clock;
    signer.follow((keys) => {
      this.#keySet = createLocalJWKSet({ keys: [...keys] });
      this.#verified.clear();
    });
  }

  /** The claims, or undefined for a token that is not ours, not an access token or over. */
  async verify(token: string): Promise<JWTPayload | undefined> {
    const now = this.#clock.now();
    const known = this.#verified.get(token);
    if (known !== undefined) return (known.exp ?? 0) > epochSeconds(now) ? known : undefined;
    const keySet = this.#keySet;
    const rules = {
      issuer: this.#issuer,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['exp'],
      currentDate: now,
    };
    try {
      const payload = Object.freeze((await jwtVerify(token, keySet, rules)).payload);
      // Other keys may hold by now.
      if (keySet === this.#keySet) this.#verified.set(token, payload);
      return payload;
    } catch (error) {
      if (error instanceof joseErrors.JOSEError) return undefined;
      throw error;
    }
  }
}
