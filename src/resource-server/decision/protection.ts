import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isRefusal } from '../../errors.ts';
import { hexPrefix, type Log, silentLog } from '../../events.ts';
import {
  type ClientCertificate,
  type ClientCertificateOptions,
  type ClientCertificateSource,
  createClientCertificateSource,
} from '../../mutual-tls/client-certificate.ts';
import type { Authorization } from '../token/access-token.ts';
import type { Authorizer } from './authorize.ts';
import { type RefusalAnswer, refusalAnswer } from './challenge.ts';
import { fieldsNamed } from '../token/presented-token.ts';
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

/** The decision, and the headers that the answer must have in either case. */
export type Verdict =
  | { readonly authorization: Authorization; readonly headers: FapiHeaders }
  | { readonly refusal: RefusalAnswer };

/** The requirement of a route. Both lists are mandatory, so that neither is forgotten; [] requires nothing. */
export type RouteRequirement = Required<Requirement>;

/** A request as its client sent it, where that differs from what this process got: see gateway.ts. */
export interface OriginalRequest {
  readonly method: string;
  readonly url: string;
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
  return new Protection(options);
}

const AUTHORIZATION = Symbol('authorization');

/** The symbol is private to this file, so only a protection can write the proof. */
interface ProvenRequest extends IncomingMessage {
  [AUTHORIZATION]?: Authorization;
}

/** The guard of an API, the same for every framework: each adapter only carries out the verdict. */
export class Protection {
  readonly log: Log;
  readonly #authorizer: Authorizer;
  readonly #certificates: ClientCertificateSource;

  constructor({ authorizer, clientCertificate, log = silentLog }: ProtectionOptions) {
    this.log = log;
    this.#authorizer = authorizer;
    this.#certificates = createClientCertificateSource(clientCertificate);
    Object.freeze(this);
  }

  /**
   * Decides about a request. Whatever is thrown on the way becomes a refusal, and is logged. The verdict comes without a
   * promise when all facts are in memory: two promises a request cost half as much as the whole decision (0.15 µs).
   */
  decide(
    request: ProvenRequest,
    requirement: RouteRequirement,
    original: OriginalRequest | IncomingMessage = request,
  ): Verdict | Promise<Verdict> {
    const { method = '', url = '' } = original;
    const headers = fapiHeaders(request);
    const { scopes } = requirement;
    let certificate: ClientCertificate['certificate'];
    try {
      ({ certificate } = this.#certificates.read(request));
      const facts = { method, url, rawHeaders: request.rawHeaders, certificate };
      const proved = (authorization: Authorization): Verdict => {
        request[AUTHORIZATION] = authorization;
        return { authorization, headers };
      };
      const authorization = this.#authorizer.authorizeNow(facts, requirement);
      if (authorization !== undefined) return proved(authorization);
      return this.#authorizer
        .authorize(facts, requirement)
        .then(proved, (error) => this.#refusal(error, { ...facts, request, headers, scopes }));
    } catch (error) {
      return this.#refusal(error, { request, headers, method, url, certificate, scopes });
    }
  }

  /** The answer to a fault that glue itself has found, logged like any other. */
  refuse(
    request: IncomingMessage,
    error: unknown,
    original: OriginalRequest | IncomingMessage = request,
  ): { readonly refusal: RefusalAnswer } {
    const { method = '', url = '' } = original;
    const headers = fapiHeaders(request);
    return this.#refusal(error, { request, headers, method, url, certificate: undefined, scopes: [] });
  }

  #refusal(error: unknown, refused: RefusedRequest): { readonly refusal: RefusalAnswer } {
    const { headers, method, url, certificate } = refused;
    const address = this.#certificates.findAddress(refused.request);
    const answer = refusalAnswer(error, refused.scopes);
    const fields = {
      interactionId: headers['x-fapi-interaction-id'],
      method,
      route: (url.split('?')[0] ?? '').slice(0, 100),
      status: answer.status,
      error,
      ...(address === undefined ? {} : { address }),
      ...(certificate === undefined ? {} : { certificate: hexPrefix(certificate.thumbprint) }),
    };
    if (isRefusal(error)) this.log.emit(eventOf(answer.status, error.code), fields);
    else this.log.emit('rs.unexpected', fields);
    return { refusal: { ...answer, headers: { ...answer.headers, ...headers } } };
  }
}

interface RefusedRequest {
  readonly request: IncomingMessage;
  readonly headers: FapiHeaders;
  readonly method: string;
  readonly url: string;
  readonly certificate: ClientCertificate['certificate'];
  readonly scopes: readonly string[];
}

/**
 * The authorization that a protection has proved for this request. The argument is the request of node:http or express,
 * the context of koa, or the request of fastify.
 *
 * @throws TypeError on a route without a protection
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

const INTERACTION_ID = 'x-fapi-interaction-id';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The `x-fapi-interaction-id` of a request that has exactly one, and that a UUID (FAPI 1.0 Baseline §6.2.1). */
export function findInteractionId(rawHeaders: readonly string[]): string | undefined {
  const [id, more] = fieldsNamed(rawHeaders, INTERACTION_ID);
  return id !== undefined && more === undefined && UUID.test(id) ? id : undefined;
}

function fapiHeaders({ rawHeaders }: IncomingMessage): FapiHeaders {
  const interactionId = findInteractionId(rawHeaders) ?? randomUUID();
  return { 'x-fapi-interaction-id': interactionId, 'cache-control': 'no-store' };
}

function eventOf(status: number, code: string) {
  if (code === 'ERR_PROXY_UNTRUSTED') return 'proxy.untrusted_header';
  if (code === 'ERR_PROXY_HEADER') return 'proxy.malformed_header';
  if (status === 403) return 'rs.scope.refused';
  return status === 503 ? 'dependency.unavailable' : 'rs.token.refused';
}
