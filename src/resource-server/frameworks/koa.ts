import type { IncomingMessage, ServerResponse } from 'node:http';
import { signAnswer } from './answer-signing.ts';
import { metadataOf, setHeaders } from './node.ts';
import type { Protection, Verdict } from '../decision/protection.ts';
import { assertRequirement, type RouteRequirement } from '../decision/route-requirement.ts';

/** The part of koa's context that is used: koa itself is not needed, not even for its types. */
interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** The requested URL; mounting cuts its own part off `url`. */
  readonly originalUrl: string;
  readonly state: { [name: string]: unknown };
  status: number;
  body: unknown;
  set(fields: { [name: string]: string }): void;
}

/**
 * Koa middleware: lets a request through when its token meets the requirement, with the proof in
 * `ctx.state.authorization` and for `authorizationOf(ctx)`; answers the challenge otherwise. `app.proxy` has no
 * influence.
 */
export function koaProtection<Context extends KoaContext = KoaContext>(
  protection: Protection,
  requirement: RouteRequirement<Context>,
): (ctx: NoInfer<Context>, next: () => Promise<unknown>) => Promise<unknown> {
  assertRequirement(requirement, protection);
  return (ctx, next) => {
    const { req: request, res: response } = ctx;
    const original = { method: request.method ?? '', url: ctx.originalUrl };
    const carryOut = (verdict: Verdict): Promise<unknown> => {
      if ('refusal' in verdict) {
        ctx.status = verdict.refusal.status;
        ctx.set({ ...verdict.refusal.headers });
        ctx.body = verdict.refusal.body;
        return Promise.resolve();
      }
      signAnswer(protection, { request, response, original }, requirement);
      setHeaders(response, verdict.headers);
      ctx.state.authorization = verdict.authorization;
      return next();
    };
    const verdict = protection.decide(request, requirement, { original, source: ctx });
    return verdict instanceof Promise ? verdict.then(carryOut) : carryOut(verdict);
  };
}

/**
 * Koa middleware that answers requests of the protection's metadata (RFC 9728).
 *
 * @throws TypeError for a protection without metadata
 */
export function koaResourceMetadata(
  protection: Protection,
): (ctx: KoaContext, next: () => Promise<unknown>) => Promise<void> {
  const metadata = metadataOf(protection);
  return async (ctx, next) => {
    const answer = metadata.answerTo({ method: ctx.req.method ?? '', url: ctx.originalUrl });
    if (answer === undefined) {
      await next();
      return;
    }
    ctx.status = answer.status;
    ctx.set({ ...answer.headers });
    ctx.body = answer.body;
  };
}
