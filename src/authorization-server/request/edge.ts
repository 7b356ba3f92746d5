import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';
import type { errors, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { isRefusal, OpenBankingError } from '../../errors.ts';
import type { Log, EventFields } from '../../events.ts';
import { RequestScope } from '../../storage/request-scope.ts';
import { listenerOf } from './listener-name.ts';
import { findRefusal, oauthAnswer, refusalEvent } from './oauth-error.ts';
import type { Pages } from '../customer/pages/pages.ts';
import { ENDPOINTS } from './routes.ts';
import { gateCertificate, provenTpp } from './tpp-gate.ts';

export interface EdgeOptions {
  readonly pages: Pages;
  readonly log: Log;
}

/**
 * The outermost middleware: gives the request an id, turns every refusal into one answer and one log event.
 *
 * A refusal of ours keeps its code and rule, also where the provider would say only "client authentication
 * failed". A fault that is nobody's refusal is a 500 whose text stays in the log.
 */
export function edge(options: EdgeOptions): Middleware {
  return async (ctx, next) => {
    const scope = new RequestScope();
    const requestId = randomUUID();
    ctx.state.requestId = requestId;
    ctx.set('x-request-id', requestId);
    ctx.set('x-content-type-options', 'nosniff');
    try {
      await scope.run(next);
      if (isErrorBody(ctx.body)) answerErrorBody(ctx, ctx.body);
    } catch (error) {
      // What the provider has noted before was answered, until this came.
      ctx.state.fault = error;
      answerThrown(ctx, error, options);
    }
    // A redirect may have been ready, with a code in it, when the session could not be written.
    if (ctx.status >= 400) ctx.remove('location');
    scope.isOver = true;
    record(ctx, options);
  };
}

/** Hears every error of the provider's endpoints, which answer it themselves, so that `edge` can tell it. */
export function listenForFaults(provider: Provider): void {
  const note = (ctx: KoaContextWithOIDC, error: Error) => {
    ctx.state.fault ??= error;
  };
  provider.on('authorization.error', note);
  provider.on('grant.error', note);
  provider.on('pushed_authorization_request.error', note);
  provider.on('introspection.error', note);
  provider.on('revocation.error', note);
  provider.on('userinfo.error', note);
  provider.on('discovery.error', note);
  provider.on('jwks.error', note);
  provider.on('server_error', note);
}

interface ErrorBody {
  error: string;
  error_description?: string;
}

function isErrorBody(body: unknown): body is ErrorBody {
  return typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string';
}

/** Replaces the provider's answer to a refusal by ours. */
function answerErrorBody(ctx: Context, body: ErrorBody): void {
  const refusal = isRefusal(ctx.state.refusal) ? ctx.state.refusal : findRefusal(ctx.state.fault);
  if (refusal === undefined) answerProtocolRefusal(ctx, body);
  else answerJson(ctx, refusal);
}

function answerJson(ctx: Context, refusal: OpenBankingError): void {
  const { status, body, headers } = oauthAnswer(refusal);
  ctx.status = status;
  ctx.set(headers);
  ctx.body = body;
}

/** The provider's own refusals say little ("grant request is invalid"); its detail names the rule. */
function answerProtocolRefusal(ctx: Context, body: ErrorBody): void {
  const refusal = protocolRefusal(ctx.state.fault);
  if (refusal === undefined) return;
  const { problem } = refusal.details;
  const isSafe = /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,200}$/.test(problem);
  body.error_description = isSafe ? `${refusal.message}: ${problem}` : refusal.message;
  if (problem.includes('request entity too large')) ctx.status = 413;
}

/** A refusal of the provider's in our catalogue's words; undefined for faults and for refusals of ours. */
function protocolRefusal(
  fault: unknown,
): OpenBankingError<'ERR_CLIENT_AUTHENTICATION' | 'ERR_GRANT_INVALID' | 'ERR_REQUEST_INVALID'> | undefined {
  const own = fault as Partial<errors.OIDCProviderError> | undefined;
  if (own?.expose !== true || typeof own.error !== 'string' || findRefusal(fault) !== undefined)
    return undefined;
  const { error, error_description: description, error_detail: detail } = own;
  const problem = (detail ?? description ?? error).replaceAll('"', "'").slice(0, 200);
  if (error === 'invalid_client') return new OpenBankingError('ERR_CLIENT_AUTHENTICATION', { problem });
  if (error === 'invalid_grant') return new OpenBankingError('ERR_GRANT_INVALID', { problem });
  return new OpenBankingError('ERR_REQUEST_INVALID', { error, problem });
}

function answerThrown(ctx: Context, error: unknown, options: EdgeOptions): void {
  const refusal = findRefusal(error);
  const status = refusal === undefined ? 500 : oauthAnswer(refusal).status;
  if (listenerOf(ctx.req) === 'front' && ctx.accepts('json', 'html') === 'html') {
    ctx.status = status;
    if (refusal !== undefined) ctx.set(oauthAnswer(refusal).headers);
    options.pages.error(ctx, { status, rule: refusal?.rule });
  } else if (refusal !== undefined) {
    answerJson(ctx, refusal);
  } else {
    ctx.status = 500;
    ctx.body = { error: 'server_error', error_description: 'the request could not be processed' };
  }
}

function record(ctx: Context, options: EdgeOptions): void {
  const fault: unknown = ctx.state.refusal ?? ctx.state.fault;
  if (fault === undefined) {
    if (ctx.path === ENDPOINTS.token) options.log.emit('token.issued', tokenFields(ctx));
    return;
  }
  const refusal = findRefusal(fault) ?? protocolRefusal(fault);
  const fields: EventFields = { ...requestFields(ctx), error: refusal ?? fault };
  if (refusal === undefined) options.log.emit('server.unexpected', fields);
  else options.log.emit(refusalEvent(refusal), fields);
}

function tokenFields(ctx: Context): EventFields {
  const { grant_type: grantType } = (ctx as Partial<KoaContextWithOIDC>).oidc?.params ?? {};
  const { scope } = ctx.body as { readonly scope?: string };
  return {
    ...requestFields(ctx),
    grantType: String(grantType),
    ...(scope === undefined ? {} : { scope }),
  };
}

function requestFields(ctx: Context): EventFields {
  const client = (ctx as Partial<KoaContextWithOIDC>).oidc?.client?.clientId;
  const tpp = provenTpp(ctx);
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

/** First 16 hexadecimal digits of a thumbprint that is base64url. */
function hexPrefix(thumbprint: string): string {
  return Buffer.from(thumbprint, 'base64url').toString('hex').slice(0, 16);
}
