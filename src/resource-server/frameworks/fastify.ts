import type { IncomingMessage, ServerResponse } from 'node:http';
import { signAnswer } from './answer-signing.ts';
import { metadataOf } from './node.ts';
import type { Protection, Verdict } from '../decision/protection.ts';
import { assertRequirement, type RouteRequirement } from '../decision/route-requirement.ts';

/** The parts of fastify that are used: fastify itself is not needed, not even for its types. */
interface FastifyRequest {
  readonly raw: IncomingMessage;
  readonly originalUrl: string;
}
interface FastifyReply {
  readonly raw: ServerResponse;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  headers(values: { [name: string]: string }): unknown;
  send(body: unknown): unknown;
}

/**
 * Fastify `onRequest` hook, for a route or for a whole plugin: lets a request through when its token meets the
 * requirement, with the proof for `authorizationOf(request)`; answers the challenge otherwise. It runs before the body
 * is read. `trustProxy` has no influence.
 */
export function fastifyProtection<Request extends FastifyRequest = FastifyRequest>(
  protection: Protection,
  requirement: RouteRequirement<Request>,
): (request: NoInfer<Request>, reply: FastifyReply, done: (error?: Error) => void) => void {
  assertRequirement(requirement, protection);
  return (request, reply, done) => {
    const { raw } = request;
    const original = { method: raw.method ?? '', url: request.originalUrl };
    const carryOut = (verdict: Verdict) => {
      if ('authorization' in verdict) {
        signAnswer(protection, { request: raw, response: reply.raw, original }, requirement);
        reply.header('x-fapi-interaction-id', verdict.headers['x-fapi-interaction-id']);
        reply.header('cache-control', verdict.headers['cache-control']);
        done();
        return;
      }
      // Without `done` Fastify does not go on to the handler.
      reply.code(verdict.refusal.status);
      reply.headers({ ...verdict.refusal.headers });
      reply.send(verdict.refusal.body);
    };
    const verdict = protection.decide(raw, requirement, { original, source: request });
    if (verdict instanceof Promise) verdict.then(carryOut).catch(done);
    else carryOut(verdict);
  };
}

/**
 * Fastify `onRequest` hook of the whole application that answers requests of the protection's metadata (RFC 9728).
 *
 * @throws TypeError for a protection without metadata
 */
export function fastifyResourceMetadata(
  protection: Protection,
): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> {
  const metadata = metadataOf(protection);
  return async (request, reply) => {
    const answer = metadata.answerTo({ method: request.raw.method ?? '', url: request.originalUrl });
    if (answer === undefined) return undefined;
    reply.code(answer.status);
    reply.headers({ ...answer.headers });
    reply.send(answer.body);
    return reply;
  };
}
