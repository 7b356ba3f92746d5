import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Authorization, Authorizer } from './authorize.ts';
import { type ProtectionOptions, protect } from './protection.ts';

/** A handler that is called only with a proven authorization. */
export type AuthorizedHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  authorization: Authorization,
) => void | Promise<void>;

/**
 * A listener for `https.createServer({ requestCert: true, rejectUnauthorized: false, … })` that calls `handler`
 * when the token holds the scopes, and answers the challenge otherwise. A handler that throws is a 500.
 */
export function nodeProtection(
  authorizer: Authorizer,
  options: ProtectionOptions,
  handler: AuthorizedHandler,
): RequestListener {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const verdict = await protect(request, authorizer, options);
    if ('refusal' in verdict) {
      request.resume();
      response.writeHead(verdict.refusal.status, { ...verdict.refusal.headers });
      response.end(JSON.stringify(verdict.refusal.body));
      return;
    }
    for (const [name, value] of Object.entries(verdict.headers)) response.setHeader(name, value);
    await handler(request, response, verdict.authorization);
  };
  return (request, response) => {
    answer(request, response).catch((error: unknown) => {
      options.log?.error('rs.unexpected', { error });
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: 'server_error' }));
    });
  };
}
