import type { Context, Middleware } from 'koa';
import type { AuditGate } from '../../audit/audit-gate.ts';
import type { Log } from '../../events.ts';
import { requestFields } from './access-log.ts';
import { answerThrown, type ErrorPages } from './error-handler.ts';
import { ENDPOINTS, REGISTRATION_ROUTE } from './routes.ts';

/** Pages on which a customer decides, and the way back to the client with a code. */
const DECISION_ROUTE = /^\/(?:interaction|authorize)\/[^/]+$/;
const CHANGES: readonly string[] = ['POST', 'PUT'];

/**
 * Whether the answer to a request grants something. Requests that only end an access never wait for the audit record: a
 * customer can stop a TPP while the disk is full.
 */
function grants({ path, method }: Context): boolean {
  if (path === ENDPOINTS.token || path === ENDPOINTS.backchannel_authentication) return true;
  if (DECISION_ROUTE.test(path)) return true;
  return CHANGES.includes(method) && REGISTRATION_ROUTE.test(path);
}

/** Refuses what grants something while the audit record cannot be written. @throws ERR_AUDIT_UNAVAILABLE */
export function refuseUnaudited(gate: AuditGate): Middleware {
  return (ctx, next) => {
    if (grants(ctx)) gate.assertAvailable();
    return next();
  };
}

/**
 * The outermost step: an answer that grants something leaves when its line in the audit record is durable. Otherwise the
 * answer is 503, and a line says later that the first answer was withheld.
 */
export function auditedAnswers(gate: AuditGate, log: Log, pages: ErrorPages): Middleware {
  return async (ctx, next) => {
    await next();
    const isRefused = (ctx.state.refusal ?? ctx.state.fault) !== undefined;
    if (isRefused || !grants(ctx)) return;
    try {
      await gate.durable();
    } catch (error) {
      ctx.remove('location');
      ctx.remove('set-cookie');
      answerThrown(ctx, error, pages);
      ctx.set('cache-control', 'no-store');
      log.emit('audit.withheld', { ...requestFields(ctx), error });
    }
  };
}
