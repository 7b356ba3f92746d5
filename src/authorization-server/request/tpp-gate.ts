import type { Context, Middleware } from 'koa';
import { OpenBankingError } from '../../errors.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import type { PresentedCertificate } from '../../mutual-tls/presented-certificate.ts';
import type { Tpp, TppAuthenticator } from '../../tpp/authenticate.ts';
import { ENDPOINTS } from './routes.ts';

/**
 * Proves the TPP before the provider sees the request, on every route for TPPs and for every way of client
 * authentication. The provider's own hooks are synchronous, and run for `tls_client_auth` only; they read the
 * result of this gate (`provenTpp`).
 *
 * Does not check that a client belongs to the TPP: no client is known yet. See client-authentication.ts.
 *
 * With `pushesWithoutCertificate` a pushed request may come without a certificate. A certificate that is presented is
 * checked all the same.
 *
 * @throws ERR_CERT_MISSING, ERR_PROXY_UNTRUSTED, ERR_PROXY_HEADER, and the codes of `TppAuthenticator.authenticate`
 */
export function tppGate(
  authenticator: TppAuthenticator,
  source: ClientCertificateSource,
  { pushesWithoutCertificate }: PushRule,
): Middleware {
  return async (ctx, next) => {
    const { certificate, intermediates } = source.read(ctx.req);
    if (certificate === undefined) {
      if (!pushesWithoutCertificate || !isPush(ctx)) throw new OpenBankingError('ERR_CERT_MISSING', {});
      return next();
    }
    const { der, thumbprint } = certificate;
    ctx.state.certificate = certificate;
    ctx.state.tpp = await authenticator.authenticate({ der, thumbprint, intermediates });
    await next();
  };
}

/** Whether a `private_key_jwt` client may push an authorization request without a certificate. */
export interface PushRule {
  readonly pushesWithoutCertificate: boolean;
}

/** Whether the request pushes an authorization request (RFC 9126). */
export function isPush(ctx: Pick<Context, 'path'>): boolean {
  return ctx.path === ENDPOINTS.pushed_authorization_request;
}

/** The certificate that the gate has read for this request. */
export function gateCertificate(ctx: Pick<Context, 'state'>): PresentedCertificate | undefined {
  return ctx.state.certificate as PresentedCertificate | undefined;
}

/** The TPP that the gate has proved for this request; undefined on the front channel. */
export function provenTpp(ctx: Pick<Context, 'state'>): Tpp | undefined {
  return ctx.state.tpp as Tpp | undefined;
}
