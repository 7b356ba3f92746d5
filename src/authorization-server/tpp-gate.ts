import type { TLSSocket } from 'node:tls';
import type { Context, Middleware } from 'koa';
import { OpenBankingError } from '../errors.ts';
import { handshakeIntermediates, presentedCertificate } from '../mutual-tls/client-certificate.ts';
import type { Tpp, TppAuthenticator } from '../tpp/authenticate.ts';

/**
 * Proves the TPP before the provider sees the request, on every route for TPPs and for every way of client
 * authentication. The provider's own hooks are synchronous, and run for `tls_client_auth` only; they read the
 * verdict that this leaves behind (`provenTpp`).
 *
 * Does not check that a client belongs to the TPP: no client is known yet. See client-authentication.ts.
 *
 * @throws ERR_CERT_MISSING, and what `TppAuthenticator.authenticate` throws
 */
export function tppGate(authenticator: TppAuthenticator): Middleware {
  return async (ctx, next) => {
    if (ctx.state.isForTpp === true) {
      const socket = ctx.req.socket as TLSSocket;
      const certificate = presentedCertificate(socket);
      if (certificate === undefined) throw new OpenBankingError('ERR_CERT_MISSING', {});
      ctx.state.certificate = certificate.thumbprint;
      ctx.state.tpp = await authenticator.authenticate({
        der: certificate.der,
        intermediates: handshakeIntermediates(socket),
      });
    }
    await next();
  };
}

/** The TPP that the gate has proved for this request; undefined on the front channel. */
export function provenTpp(ctx: Pick<Context, 'state'>): Tpp | undefined {
  return ctx.state.tpp as Tpp | undefined;
}
