import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Authorization } from './access-token.ts';
import type { RefusalAnswer } from './challenge.ts';
import { assertRequirement, type Protection, type RouteRequirement } from './protection.ts';

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
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const verdict = await protection.decide(request, requirement);
    if ('refusal' in verdict) {
      answerRefusal(request, response, verdict.refusal);
      return;
    }
    for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
    await handler(request, response, verdict.authorization);
  };
  return (request, response) => {
    answer(request, response).catch((error: unknown) => answerFault(response, protection, error));
  };
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
  log.error('rs.unexpected', { error });
  if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: 'server_error' }));
}
