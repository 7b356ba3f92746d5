import type { IncomingMessage } from 'node:http';
import type { SignatureProof } from '../signatures/signature-format.ts';
import type { Authorization } from '../token/access-token.ts';

const AUTHORIZATION = Symbol('authorization');
const SIGNATURE = Symbol('signature');

/** A request with its proofs. The symbols are private to this file, so only a protection can write one. */
interface ProvenRequest extends IncomingMessage {
  [AUTHORIZATION]?: Authorization;
  [SIGNATURE]?: SignatureProof | undefined;
}

type ProtectedRequest =
  | IncomingMessage
  | { readonly req: IncomingMessage }
  | { readonly raw: IncomingMessage };

/** Notes the authorization that a protection has proved. */
export function noteAuthorization(request: ProvenRequest, authorization: Authorization): void {
  request[AUTHORIZATION] = authorization;
}

/** Notes the signature that a protection has verified. */
export function noteSignature(request: ProvenRequest, proof: SignatureProof | undefined): void {
  request[SIGNATURE] = proof;
}

/**
 * The authorization that a protection has proved for this request. The argument is the request of node:http or express,
 * the context of koa, or the request of fastify.
 *
 * @throws TypeError on a route without a protection
 */
export function authorizationOf(request: ProtectedRequest): Authorization {
  const authorization = incomingOf(request)[AUTHORIZATION];
  if (authorization === undefined) throw new TypeError('no protection has let this request through');
  return authorization;
}

/**
 * The signature that a protection has verified for this request; undefined for a request that is not signed, on a route
 * that asks for no signature or for one only if it is there.
 */
export function signatureOf(request: ProtectedRequest): SignatureProof | undefined {
  return incomingOf(request)[SIGNATURE];
}

function incomingOf(request: ProtectedRequest): ProvenRequest {
  return 'raw' in request ? request.raw : 'req' in request ? request.req : request;
}
