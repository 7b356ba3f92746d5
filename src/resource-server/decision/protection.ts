import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isRefusal } from '../../errors.ts';
import { type Log, silentLog } from '../../events.ts';
import {
  type ClientCertificate,
  type ClientCertificateOptions,
  createClientCertificateSource,
} from '../../mutual-tls/client-certificate.ts';
import type { Authorization } from '../token/access-token.ts';
import type { Authorizer } from './authorize.ts';
import { type RefusalAnswer, refusalAnswer } from './challenge.ts';
import { findInteractionId } from './interaction-id.ts';
import type { RequestWithCertificate } from '../token/presented-token.ts';
import type { Requirement } from './requirement.ts';

export interface ProtectionOptions {
  readonly authorizer: Authorizer;
  /** Where the client's certificate comes from. There is no default: a wrong guess would trust a stranger. */
  readonly clientCertificate: ClientCertificateOptions;
  /** Where refusals are logged. Default: nowhere. */
  readonly log?: Log;
}

/** The headers that every answer must have. */
export interface FapiHeaders {
  readonly 'x-fapi-interaction-id': string;
  readonly 'cache-control': 'no-store';
}

/** What was decided, and the headers that the answer must have in either case. */
export type Verdict =
  | { readonly authorization: Authorization; readonly headers: FapiHeaders }
  | { readonly refusal: RefusalAnswer };

/** What a route needs. Both lists are named, so that nobody forgets one; [] asks for nothing. */
export type RouteRequirement = Required<Requirement>;

/** A request as its client sent it, where that differs from what this process got: see gateway.ts. */
export interface OriginalRequest {
  readonly method: string;
  readonly url: string;
}

/** What stands before an API, the same for every framework: the glue of each one only carries the verdict out. */
export interface Protection {
  readonly log: Log;
  /** At once when all that it needs is at hand: a promise for each request would cost more than the decision. */
  decide(
    request: IncomingMessage,
    requirement: RouteRequirement,
    original?: OriginalRequest,
  ): Verdict | Promise<Verdict>;
  /** The answer to a fault that glue itself has found, logged like any other. */
  refuse(
    request: IncomingMessage,
    error: unknown,
    original?: OriginalRequest,
  ): { readonly refusal: RefusalAnswer };
}

/**
 * Ties the decision about tokens to the place that certificates come from.
 *
 * The caller's `x-fapi-interaction-id` comes back, or a new one when it sent none or no UUID (FAPI 1.0 Baseline
 * §6.2.1), and nothing is cached.
 *
 * @throws TypeError for options that cannot work, above all without a certificate source
 */
export function createProtection(options: ProtectionOptions): Protection {
  if (typeof options?.authorizer?.authorize !== 'function') throw new TypeError('authorizer is missing');
  const { authorizer } = options;
  const source = createClientCertificateSource(options.clientCertificate);
  const log = options.log ?? silentLog;

  const decideLater = async (
    request: ProvenRequest,
    requirement: RouteRequirement,
    { facts, headers }: { readonly facts: RequestWithCertificate; readonly headers: FapiHeaders },
  ): Promise<Verdict> => {
    try {
      const authorization = await authorizer.authorize(facts, requirement);
      request[AUTHORIZATION] = authorization;
      return { authorization, headers };
    } catch (error) {
      const { method, url, certificate } = facts;
      return refused(error, { log, headers, method, url, certificate, scopes: requirement.scopes });
    }
  };

  return Object.freeze({
    log,
    decide: (request: ProvenRequest, requirement: RouteRequirement, original?: OriginalRequest) => {
      const { method = '', url = '' } = original ?? request;
      const headers = fapiHeaders(request);
      let certificate: ClientCertificate['certificate'];
      try {
        ({ certificate } = source.read(request));
        const facts = { method, url, rawHeaders: request.rawHeaders, certificate };
        const authorization = authorizer.authorizeNow(facts, requirement);
        if (authorization === undefined) return decideLater(request, requirement, { facts, headers });
        request[AUTHORIZATION] = authorization;
        return { authorization, headers };
      } catch (error) {
        return refused(error, { log, headers, method, url, certificate, scopes: requirement.scopes });
      }
    },
    refuse: (request: IncomingMessage, error: unknown, original?: OriginalRequest) => {
      const { method = '', url = '' } = original ?? request;
      const headers = fapiHeaders(request);
      return refused(error, { log, headers, method, url, certificate: undefined, scopes: [] });
    },
  });
}

interface RefusedRequest {
  readonly log: Log;
  readonly headers: FapiHeaders;
  readonly method: string;
  readonly url: string;
  readonly certificate: ClientCertificate['certificate'];
  readonly scopes: readonly string[];
}

function refused(error: unknown, request: RefusedRequest): { readonly refusal: RefusalAnswer } {
  const { log, headers, method, url, certificate } = request;
  const answer = refusalAnswer(error, request.scopes);
  const fields = {
    interactionId: headers['x-fapi-interaction-id'],
    method,
    route: (url.split('?')[0] ?? '').slice(0, 100),
    status: answer.status,
    error,
    ...(certificate === undefined ? {} : { certificate: hexPrefix(certificate.thumbprint) }),
  };
  if (isRefusal(error)) log.emit(eventOf(answer.status, error.code), fields);
  else log.emit('rs.unexpected', fields);
  return { refusal: { ...answer, headers: { ...answer.headers, ...headers } } };
}

const AUTHORIZATION = Symbol('authorization');

/** Nobody else has the symbol: only a protection can write the proof. */
interface ProvenRequest extends IncomingMessage {
  [AUTHORIZATION]?: Authorization;
}

/**
 * The authorization that a protection has proved for this request: give it the request of node:http or express, the
 * context of koa, or the request of fastify.
 *
 * @throws TypeError on a route that no protection stands before
 */
export function authorizationOf(
  request: IncomingMessage | { readonly req: IncomingMessage } | { readonly raw: IncomingMessage },
): Authorization {
  const incoming: ProvenRequest = 'raw' in request ? request.raw : 'req' in request ? request.req : request;
  const authorization = incoming[AUTHORIZATION];
  if (authorization === undefined) throw new TypeError('no protection has let this request through');
  return authorization;
}

/**
 * Routes are mounted once, by people who may write JavaScript: a missing list must not mean "anything goes".
 *
 * @throws TypeError
 */
export function assertRequirement(requirement: RouteRequirement): void {
  for (const name of ['scopes', 'roles'] as const) {
    if (!Array.isArray(requirement?.[name])) {
      throw new TypeError(`a route must name the ${name} that it needs; [] is for none`);
    }
  }
}

function fapiHeaders({ rawHeaders }: IncomingMessage): FapiHeaders {
  const interactionId = findInteractionId(rawHeaders) ?? randomUUID();
  return { 'x-fapi-interaction-id': interactionId, 'cache-control': 'no-store' };
}

function hexPrefix(thumbprint: string): string {
  return Buffer.from(thumbprint, 'base64url').toString('hex').slice(0, 16);
}

function eventOf(status: number, code: string) {
  if (code === 'ERR_PROXY_UNTRUSTED') return 'proxy.untrusted_header';
  if (code === 'ERR_PROXY_HEADER') return 'proxy.malformed_header';
  if (status === 403) return 'rs.scope.refused';
  return status === 503 ? 'dependency.unavailable' : 'rs.token.refused';
}
