import type { Context, Middleware } from 'koa';
import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { answerText } from '../../answer-text.ts';
import { isRefusal, type OpenBankingError } from '../../errors.ts';
import { RequestScope } from '../../storage/request-scope.ts';
import { ENDPOINTS, isFor, isPageWanted } from './routes.ts';
import { dpopRefusal } from './dpop-problems.ts';
import { findRefusal, oauthAnswer, protocolRefusal } from './oauth-error.ts';

/** The page that a customer sees instead of an error of OAuth. */
export interface ErrorPages {
  error(ctx: Context, shown: { readonly status: number; readonly rule: string | undefined }): void;
}

/**
 * Turns every refusal into one answer. A refusal of ours keeps its code and rule, also where the answer of the
 * provider is only "client authentication failed". A fault that is no refusal is a 500 whose text stays in the log.
 */
export function errorHandler(pages: ErrorPages): Middleware {
  return async (ctx, next) => {
    const scope = new RequestScope();
    try {
      await scope.run(next);
      if (isErrorBody(ctx.body)) answerErrorBody(ctx, ctx.body);
    } catch (error) {
      // An earlier fault, which the provider has answered already, is replaced by this one.
      ctx.state.fault = error;
      answerThrown(ctx, error, pages);
    }
    // A redirect may have been ready, with a code in it, when the session could not be written.
    if (ctx.status >= 400) {
      ctx.remove('location');
      // The provider sets it only where a client has authenticated.
      ctx.set('cache-control', 'no-store');
    }
    scope.isOver = true;
  };
}

/**
 * The provider's `renderError`: the page for a customer whose request has no redirect URI to return to. The provider
 * renders by the Accept field alone; a caller of another route gets JSON all the same.
 */
export function errorPage(pages: ErrorPages): NonNullable<Configuration['renderError']> {
  return (ctx, out, error) => {
    ctx.state.fault ??= error;
    if (!isFor('browser', ctx)) {
      ctx.body = out;
      return;
    }
    const refusal = findRefusal(error);
    const answer = refusal === undefined ? undefined : oauthAnswer(refusal);
    const status = answer?.status ?? ctx.status;
    if (answer !== undefined) ctx.set(answer.headers);
    const { error_description: description } = error as { readonly error_description?: string };
    pages.error(ctx, { status, rule: refusal?.rule ?? (status < 500 ? description : undefined) });
  };
}

/** Notes every error of the provider's endpoints, which answer it themselves, for the error handler and the log. */
export function listenForFaults(provider: Provider): void {
  const note = (ctx: KoaContextWithOIDC, error: Error) => {
    ctx.state.fault ??= error;
    if (findRefusal(error) === undefined) ctx.state.refusal ??= dpopRefusal(ctx, error);
  };
  provider.on('authorization.error', note);
  provider.on('grant.error', note);
  provider.on('pushed_authorization_request.error', note);
  provider.on('backchannel_authentication.error', note);
  provider.on('introspection.error', note);
  provider.on('revocation.error', note);
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
  const scheme = OF_AUTHENTICATION.includes(body.error) ? schemeTried(ctx) : undefined;
  // CIBA Core §13 has no choice of another status, as RFC 6749 §5.2 has for the token endpoint.
  const isBackchannel = ctx.path === ENDPOINTS.backchannel_authentication && body.error === 'invalid_client';
  ctx.status = scheme === undefined && !isBackchannel ? status : 401;
  if (scheme !== undefined && !ctx.response.get('www-authenticate')) {
    ctx.set('www-authenticate', `${scheme} realm="${ctx.host}"`);
  }
  ctx.set(headers);
  ctx.body = body;
}

/** Errors that are a 401 for a caller with an Authorization field (RFC 6749 §5.2, RFC 9449 §7.1). */
const OF_AUTHENTICATION: readonly string[] = ['invalid_client', 'invalid_dpop_proof', 'use_dpop_nonce'];

/** The scheme of the Authorization field, by which a client tried to authenticate (RFC 6749 §5.2). */
function schemeTried(ctx: Context): string | undefined {
  const field = ctx.headers.authorization;
  if (field === undefined) return undefined;
  return /^(basic|bearer|digest|dpop)(?: |$)/i.exec(field)?.[1] ?? 'Basic';
}

/** Replaces a description like "grant request is invalid" by the code, the rule and the provider's `error_detail`. */
function answerProtocolRefusal(ctx: Context, body: ErrorBody): void {
  const refusal = protocolRefusal(ctx.state.fault);
  if (refusal === undefined) return;
  if (refusal.class === 'client' || refusal.class === 'certificate') {
    answerJson(ctx, refusal);
    return;
  }
  body.error_description = answerText(refusal);
  if ('problem' in refusal.details && refusal.details.problem.includes('request entity too large'))
    ctx.status = 413;
}

/** Answers what a step has thrown: with a page, with the answer of OAuth, or with 500. */
export function answerThrown(ctx: Context, error: unknown, pages: ErrorPages): void {
  const refusal = findRefusal(error);
  const status = refusal === undefined ? 500 : oauthAnswer(refusal).status;
  if (isPageWanted(ctx)) {
    ctx.status = status;
    if (refusal !== undefined) ctx.set(oauthAnswer(refusal).headers);
    pages.error(ctx, { status, rule: refusal?.rule });
  } else if (refusal !== undefined) {
    answerJson(ctx, refusal);
  } else {
    ctx.status = 500;
    ctx.body = { error: 'server_error', error_description: 'the request could not be processed' };
  }
}
