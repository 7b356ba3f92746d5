import type { Context, Middleware } from 'koa';
import type { Client } from 'oidc-provider';
import type { TppRecord } from '../../../tpp-registry/index.ts';
import { OpenBankingError } from '../../errors.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import type { PresentedCertificate } from '../../mutual-tls/presented-certificate.ts';
import type { Tpp, TppAuthenticator } from '../../tpp/authenticate.ts';
import { isBoundToCertificate, senderConstraintOf } from '../profiles/sender-constraint.ts';
import { ENDPOINTS } from './routes.ts';

/**
 * Proves the TPP before the provider sees the request, on every route for TPPs and for every way of client
 * authentication. The provider's own hooks are synchronous, and run for `tls_client_auth` only; they read the
 * result of this gate (`provenTpp`).
 *
 * Does not check that a client belongs to the TPP: no client is known yet. See client-authentication.ts.
 *
 * Where the bank demands fewer certificates (`certificatesDemanded`), a request without one passes to the authentication
 * of its client, which decides by the client. A certificate that is presented is checked all the same.
 *
 * Where the bank accepts self-signed certificates that clients have registered, another decision judges these.
 *
 * @throws ERR_CERT_MISSING, ERR_PROXY_UNTRUSTED, ERR_PROXY_HEADER, and the codes of `TppAuthenticator.authenticate` and
 * `SelfSignedGate.authenticate`
 */
export function tppGate(
  authenticator: TppAuthenticator,
  source: ClientCertificateSource,
  rule: CertificateRule & { readonly selfSigned: SelfSignedGate | undefined },
): Middleware {
  const { selfSigned } = rule;
  return async (ctx, next) => {
    const { certificate, intermediates } = source.read(ctx.req);
    if (certificate === undefined) {
      if (!isAbsenceKnown(ctx, rule)) throw new OpenBankingError('ERR_CERT_MISSING', {});
      return next();
    }
    const { der, thumbprint } = certificate;
    ctx.state.certificate = certificate;
    ctx.state.tpp =
      selfSigned?.isMeant(certificate) === true
        ? await selfSigned.authenticate(ctx, certificate)
        : await authenticator.authenticate({ der, thumbprint, intermediates });
    await next();
  };
}

/**
 * Where TPPs must present their certificate. Each value demands less than the one before, of `private_key_jwt` clients
 * only: not for a pushed request, and not at all for a client whose tokens are bound to a DPoP key alone.
 */
export const CERTIFICATE_DEMANDS = Object.freeze([
  'everywhere',
  'where-tokens-are-issued',
  'where-tokens-are-bound-to-one',
] as const);

export type CertificateDemand = (typeof CERTIFICATE_DEMANDS)[number];

/** The decision about self-signed certificates. */
export interface SelfSignedGate {
  isMeant(certificate: PresentedCertificate): boolean;
  authenticate(ctx: Context, certificate: PresentedCertificate): Promise<Tpp>;
}

export interface CertificateRule {
  readonly certificatesDemanded: CertificateDemand;
}

/** Whether some client may send this request without a certificate. */
function isAbsenceKnown(ctx: Context, { certificatesDemanded: demanded }: CertificateRule): boolean {
  return (
    demanded === 'where-tokens-are-bound-to-one' || (demanded === 'where-tokens-are-issued' && isPush(ctx))
  );
}

/** Whether a client that authenticates by its key may send this request without a certificate. */
export function mayLackCertificate(
  ctx: Pick<Context, 'path'>,
  client: Client,
  { certificatesDemanded: demanded }: CertificateRule,
): boolean {
  if (demanded === 'everywhere') return false;
  const isBoundToOne = isBoundToCertificate(senderConstraintOf(client));
  return isPush(ctx) || (demanded === 'where-tokens-are-bound-to-one' && !isBoundToOne);
}

/** Whether the request pushes an authorization request (RFC 9126). */
export function isPush(ctx: Pick<Context, 'path'>): boolean {
  return ctx.path === ENDPOINTS.pushed_authorization_request;
}

/** The certificate that the gate has read for this request. */
export function gateCertificate(ctx: Pick<Context, 'state'>): PresentedCertificate | undefined {
  return ctx.state.certificate as PresentedCertificate | undefined;
}

/** The TPP that the gate has proved by its certificate; undefined on the front channel, and for a request without one. */
export function provenTpp(ctx: Pick<Context, 'state'>): Tpp | undefined {
  return ctx.state.tpp as Tpp | undefined;
}

/** Notes the TPP of a client that came without a certificate and has authenticated by its key. */
export function noteRegisteredTpp(ctx: Pick<Context, 'state'>, record: TppRecord): void {
  ctx.state.registeredTpp = record;
}

/** The TPP that acts in this request: proved by its certificate, or of a client that may come without one. */
export function actingTpp(ctx: Pick<Context, 'state'>): Tpp | TppRecord | undefined {
  return provenTpp(ctx) ?? (ctx.state.registeredTpp as TppRecord | undefined);
}
