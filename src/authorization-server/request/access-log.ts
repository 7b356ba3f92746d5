import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { consentIdOf } from '../../consent/consent.ts';
import { isRefusal } from '../../errors.ts';
import { type EventFields, hexPrefix, type Log } from '../../events.ts';
import type { ClientCertificateSource } from '../../mutual-tls/client-certificate.ts';
import { findRefusal, protocolRefusal, refusalEvent } from './oauth-error.ts';
import { ENDPOINTS, listenerOf } from './routes.ts';
import { actingTpp, gateCertificate } from './tpp-gate.ts';

/** The step around the error handler: the id of the request, and one event for each token, refusal and fault. */
export function accessLog(log: Log, source: ClientCertificateSource): Middleware {
  return async (ctx, next) => {
    const requestId = randomUUID();
    ctx.state.requestId = requestId;
    ctx.set('x-request-id', requestId);
    ctx.set('x-content-type-options', 'nosniff');
    await next();
    record(ctx, log, source);
  };
}

function record(ctx: Context, log: Log, source: ClientCertificateSource): void {
  const fault: unknown = ctx.state.refusal ?? ctx.state.fault;
  const { templateFault } = ctx.state;
  // The page of that fault may have failed by the same template.
  if (templateFault !== undefined && !isRefusal(fault, 'ERR_PAGE_TEMPLATE')) {
    log.emit('page.template.failed', { ...requestFields(ctx), error: templateFault });
  }
  if (fault === undefined) {
    if (ctx.path === ENDPOINTS.token) log.emit('token.issued', tokenFields(ctx));
    return;
  }
  const refusal = findRefusal(fault) ?? protocolRefusal(fault);
  const address = source.findAddress(ctx.req);
  const fields: EventFields = {
    ...requestFields(ctx),
    ...(address === undefined ? {} : { address }),
    error: refusal ?? fault,
  };
  if (refusal === undefined) log.emit('server.unexpected', fields);
  else log.emit(refusalEvent(refusal), fields);
}

function tokenFields(ctx: Context): EventFields {
  const { oidc } = ctx as Partial<KoaContextWithOIDC>;
  const { grant_type: grantType } = oidc?.params ?? {};
  const grantId = oidc?.entities?.Grant?.jti;
  const { scope } = ctx.body as { readonly scope?: string };
  return {
    ...requestFields(ctx),
    grantType: String(grantType),
    ...(scope === undefined ? {} : { scope }),
    ...(grantId === undefined ? {} : { consentId: consentIdOf(grantId) }),
  };
}

/** The facts of a request that events name. */
export function requestFields(ctx: Context): EventFields {
  const client = (ctx as Partial<KoaContextWithOIDC>).oidc?.client?.clientId;
  const tpp = actingTpp(ctx);
  const certificate = gateCertificate(ctx);
  return {
    requestId: String(ctx.state.requestId),
    listener: listenerOf(ctx.req),
    method: ctx.method,
    route: ctx.path.slice(0, 100),
    status: ctx.status,
    ...(client === undefined ? {} : { clientId: client }),
    ...(tpp === undefined ? {} : { authorizationNumber: tpp.authorizationNumber }),
    ...(certificate === undefined ? {} : { certificate: hexPrefix(certificate.thumbprint) }),
  };
}
