import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { signAnswer } from './answer-signing.ts';
import type { Authorization } from '../token/access-token.ts';
import type { RefusalAnswer } from '../decision/challenge.ts';
import type { MetadataAnswer, ResourceMetadata } from '../decision/resource-metadata.ts';
import type { FapiHeaders, Protection, Verdict } from '../decision/protection.ts';
import { assertRequirement, type RouteRequirement } from '../decision/route-requirement.ts';

/** A handler that is called only with a proven authorization. */
export type AuthorizedHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  authorization: Authorization,
) => void | Promise<void>;

/**
 * A listener for node:http or node:https that calls `handler` when the token meets the requirement, and answers the
 * challenge otherwise. A handler that throws is a 500.
 */
export function nodeProtection(
  protection: Protection,
  requirement: RouteRequirement<IncomingMessage>,
  handler: AuthorizedHandler,
): RequestListener {
  assertRequirement(requirement, protection);
  return (request, response) => {
    const carryOut = (verdict: Verdict) => {
      if ('refusal' in verdict) return answerRefusal(request, response, verdict.refusal);
      signAnswer(protection, { request, response, original: request }, requirement);
      setHeaders(response, verdict.headers);
      return handler(request, response, verdict.authorization);
    };
    const fault = (error: unknown) => answerFault(response, protection, error);
    try {
      const verdict = protection.decide(request, requirement, { original: request, source: request });
      const done = verdict instanceof Promise ? verdict.then(carryOut) : carryOut(verdict);
      if (done instanceof Promise) done.catch(fault);
    } catch (error) {
      fault(error);
    }
  };
}

/**
 * A listener for node:http or node:https that answers requests of the protection's metadata (RFC 9728), and calls `next`
 * for every other request.
 *
 * @throws TypeError for a protection without metadata
 */
export function nodeResourceMetadata(protection: Protection, next: RequestListener): RequestListener {
  const metadata = metadataOf(protection);
  return (request, response) => {
    const answer = metadata.answerTo({ method: request.method ?? '', url: request.url ?? '' });
    if (answer === undefined) next(request, response);
    else answerMetadata(request, response, answer);
  };
}

/** The metadata of a protection. @throws TypeError when there are none */
export function metadataOf({ metadata }: Protection): ResourceMetadata {
  if (metadata === undefined) throw new TypeError('the protection has no resourceMetadata');
  return metadata;
}

/** Answers a request of the metadata. */
export function answerMetadata(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: MetadataAnswer,
): void {
  request.resume();
  response.writeHead(status, { ...headers });
  response.end(body);
}

/** Puts the headers of a verdict on the answer. */
export function setHeaders(response: ServerResponse, headers: FapiHeaders): void {
  response.setHeader('x-fapi-interaction-id', headers['x-fapi-interaction-id']);
  response.setHeader('cache-control', headers['cache-control']);
}

/** Answers with the status, headers and body of a refusal. */
export function answerRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: RefusalAnswer,
): void {
  request.resume();
  response.writeHead(status, { ...headers });
  response.end(JSON.stringify(body));
}

/** A 500 that says nothing; the fault goes to the log. */
export function answerFault(response: ServerResponse, { log }: Protection, error: unknown): void {
  log.emit('rs.unexpected', { error });
  if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: 'server_error' }));
}
