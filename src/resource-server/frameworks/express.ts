import type { IncomingMessage, ServerResponse } from 'node:http';
import { signAnswer } from './answer-signing.ts';
import type { Authorization } from '../token/access-token.ts';
import { answerMetadata, answerRefusal, metadataOf, setHeaders } from './node.ts';
import type { Protection, Verdict } from '../decision/protection.ts';
import { assertRequirement, type RouteRequirement } from '../decision/route-requirement.ts';

/** The part of express's request that is used: express itself is not needed, not even for its types. */
interface ExpressRequest extends IncomingMessage {
  /** The requested URL; a router cuts its own part off `url`. */
  readonly originalUrl: string;
  authorization?: Authorization;
}

/**
 * Express middleware: lets a request through when its token meets the requirement, with the proof in
 * `req.authorization` and for `authorizationOf(req)`; answers the challenge otherwise. `trust proxy` has no influence.
 */
export function expressProtection<Request extends ExpressRequest = ExpressRequest>(
  protection: Protection,
  requirement: RouteRequirement<Request>,
): (request: NoInfer<Request>, response: ServerResponse, next: (error?: unknown) => void) => void {
  assertRequirement(requirement, protection);
  return (request, response, next) => {
    const original = { method: request.method ?? '', url: request.originalUrl };
    const carryOut = (verdict: Verdict) => {
      if ('refusal' in verdict) return answerRefusal(request, response, verdict.refusal);
      signAnswer(protection, { request, response, original }, requirement);
      setHeaders(response, verdict.headers);
      request.authorization = verdict.authorization;
      return next();
    };
    const verdict = protection.decide(request, requirement, { original, source: request });
    if (verdict instanceof Promise) verdict.then(carryOut).catch(next);
    else carryOut(verdict);
  };
}

/**
 * Express middleware that answers requests of the protection's metadata (RFC 9728). The application itself must use
 * it: below a router with a path, the address of the metadata would be another one.
 *
 * @throws TypeError for a protection without metadata
 */
export function expressResourceMetadata(
  protection: Protection,
): (request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void) => void {
  const metadata = metadataOf(protection);
  return (request, response, next) => {
    const answer = metadata.answerTo({ method: request.method ?? '', url: request.originalUrl });
    if (answer === undefined) next();
    else answerMetadata(request, response, answer);
  };
}
