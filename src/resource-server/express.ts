import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authorization } from './access-token.ts';
import { answerRefusal } from './node.ts';
import { assertRequirement, type Protection, type RouteRequirement } from './protection.ts';

/** The part of express's request that is used: express itself is not needed, not even for its types. */
interface ExpressRequest extends IncomingMessage {
  /** What the client asked for; a router cuts its own part off `url`. */
  readonly originalUrl: string;
  authorization?: Authorization;
}

/**
 * Express middleware: lets a request through when its token meets the requirement, with the proof in
 * `req.authorization` and for `authorizationOf(req)`; answers the challenge otherwise. `trust proxy` has no influence.
 */
export function expressProtection(
  protection: Protection,
  requirement: RouteRequirement,
): (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void {
  assertRequirement(requirement);
  return (request, response, next) => {
    const original = { method: request.method ?? '', url: request.originalUrl };
    protection
      .decide(request, requirement, original)
      .then((verdict) => {
        if ('refusal' in verdict) {
          answerRefusal(request, response, verdict.refusal);
          return;
        }
        for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
        request.authorization = verdict.authorization;
        next();
      })
      .catch(next);
  };
}
