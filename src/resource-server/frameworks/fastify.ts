import type { IncomingMessage, ServerResponse } from 'node:http';
import { signAnswer } from './answer-signing.ts';
import { metadataOf } from './node.ts';
import type { Protection } from '../decision/protection.ts';
import { assertRequirement, type RouteRequirement } from '../decision/route-requirement.ts';

/** The parts of fastify that are used: fastify itself is not needed, not even for its types. */
interface FastifyRequest {
  readonly raw: IncomingMessage;
  readonly originalUrl: string;
}
interface FastifyReply {
  readonly raw: ServerResponse;
  code(status: number): unknown;
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
): (request: NoInfer<Request>, reply: FastifyReply) => Promise<unknown> {
  assertRequirement(requirement, protection);
  return async (request, reply) => {
    const original = { method: request.raw.method ?? '', url: request.originalUrl };
    const verdict = await protection.decide(request.raw, requirement, { original, source: request });
    if ('authorization' in verdict) {
      signAnswer(protection, { request: request.raw, response: reply.raw, original }, requirement);
      reply.headers({ ...verdict.headers });
      return undefined;
    }
    reply.code(verdict.refusal.status);
    reply.headers({ ...verdict.refusal.headers });
    reply.send(verdict.refusal.body);
    // Fastify goes on to the handler unless the hook answers with the reply.
    return reply;
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
