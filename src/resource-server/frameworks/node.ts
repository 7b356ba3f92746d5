import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { signAnswer } from './answer-signing.ts';
import type { Authorization } from '../token/access-token.ts';
import type { RefusalAnswer } from '../decision/challenge.ts';
import {
  assertRequirement,
  type FapiHeaders,
  type Protection,
  type RouteRequirement,
  type Verdict,
} from '../decision/protection.ts';

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
  requirement: RouteRequirement,
  handler: AuthorizedHandler,
): RequestListener {
  assertRequirement(requirement);
  return (request, response) => {
    const carryOut = (verdict: Verdict) => {
      if ('refusal' in verdict) return answerRefusal(request, response, verdict.refusal);
      signAnswer(protection, { request, response, original: request }, requirement);
      setHeaders(response, verdict.headers);
      return handler(request, response, verdict.authorization);
    };
    const fault = (error: unknown) => answerFault(response, protection, error);
    try {
      const verdict = protection.decide(request, requirement);
      const done = verdict instanceof Promise ? verdict.then(carryOut) : carryOut(verdict);
      if (done instanceof Promise) done.catch(fault);
    } catch (error) {
      fault(error);
    }
  };
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
