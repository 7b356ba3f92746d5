import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { OpenBankingError } from '../../errors.ts';
import { findOneField, foldedName } from '../../mutual-tls/forwarded-fields.ts';
import { malformedHeader } from '../../mutual-tls/presented-certificate.ts';
import { IDENTITY_PREFIX, identityHeaders, packRefusal, unpackRefusal } from './gateway-answer.ts';
import { type GatewayRoute, gatewayRoutes } from './gateway-routes.ts';
import { signAnswer } from '../frameworks/answer-signing.ts';
import { answerFault, answerMetadata, answerRefusal } from '../frameworks/node.ts';
import { type Forward, forwardTo, type Upstream } from './forwarding.ts';
import type { OriginalRequest, Protection, Verdict } from '../decision/protection.ts';

export interface GatewayOptions {
  readonly protection: Protection;
  /**
   * The proxy, which decides where method and path of the client stand. `nginx` (`auth_request`): in X-Original-Method
   * and X-Original-URI. `envoy` (`ext_authz` over HTTP): method and path of its request. `forward`: the proxy sends the
   * client's requests themselves, and the gateway forwards those that it lets through to `upstream`.
   */
  readonly proxy: 'nginx' | 'envoy' | 'forward';
  /** The API behind a gateway that forwards. */
  readonly upstream?: Upstream | undefined;
  /** The requirements of requests; the first match counts. A request without a match is refused. */
  readonly routes: readonly GatewayRoute[];
  /** `path_prefix` of Envoy. Default: none. */
  readonly pathPrefix?: string | undefined;
}

const REFUSAL_HEADER = 'x-tallystick-refusal';
const ASKED = '/authorize';
const TOLD = '/refusal';

/**
 * Decides for a proxy in front of APIs in any language: 200 with the proof in `x-tallystick-…` headers, or the refusal.
 * Serves the metadata of the protection at their path, if there are any, for the proxy to pass on.
 *
 * @throws TypeError for options that cannot work
 */
export function createGateway(options: GatewayOptions): RequestListener {
  const { protection, proxy, pathPrefix = '' } = options;
  if (typeof protection?.decide !== 'function') throw new TypeError('protection is missing');
  if (proxy !== 'nginx' && proxy !== 'envoy' && proxy !== 'forward') {
    throw new TypeError("proxy must be 'nginx', 'envoy' or 'forward'");
  }
  assertBodiesPossible(options);
  const { metadata } = protection;
  if (metadata !== undefined && proxy === 'envoy') assertApart(metadata.path, pathPrefix);
  const routeOf = gatewayRoutes(options.routes, protection);
  const originalOf = proxy === 'nginx' ? originalByHeaders : originalByTarget(pathPrefix);
  const sendOn = forwardOf(options);

  const decide = async (request: IncomingMessage): Promise<Decision> => {
    let original: OriginalRequest | undefined;
    try {
      assertNoLookAlike(request.rawHeaders);
      original = originalOf(request);
      const route = routeOf(original);
      const asked = { original, source: original };
      return { verdict: await protection.decide(request, route, asked), original, route };
    } catch (error) {
      return { verdict: protection.refuse(request, error, original) };
    }
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (proxy === 'nginx' && request.url === TOLD) {
      tellRefusal(request, response);
      return;
    }
    const document = metadata?.answerTo({ method: request.method ?? '', url: request.url ?? '' });
    if (document !== undefined) {
      answerMetadata(request, response, document);
      return;
    }
    const { verdict, route, original } = await decide(request);
    if (sendOn === undefined || 'refusal' in verdict || route === undefined) {
      answerVerdict(request, response, verdict);
      return;
    }
    signAnswer(protection, { request, response, original }, route);
    try {
      const identity = identityHeaders(verdict);
      await sendOn(request, response, { identity, answer: verdict.headers });
    } catch (error) {
      answerRefusal(request, response, protection.refuse(request, error, original).refusal);
    }
  };
  return (request, response) => {
    answer(request, response).catch((error: unknown) => answerFault(response, protection, error));
  };
}

/** Envoy asks with the client's own path: a prefix alone sets its questions apart from requests of the metadata. */
function assertApart(path: string, prefix: string): void {
  if (prefix === '' || path.startsWith(prefix)) {
    throw new TypeError(
      'resourceMetadata needs a pathPrefix with envoy, and one that no metadata begin with',
    );
  }
}

type Decision =
  | { readonly verdict: Verdict; readonly route: GatewayRoute; readonly original: OriginalRequest }
  | { readonly verdict: Verdict; readonly route?: undefined; readonly original?: undefined };

function forwardOf({ proxy, upstream, pathPrefix }: GatewayOptions): Forward | undefined {
  if (proxy === 'forward' && pathPrefix !== undefined) throw new TypeError('pathPrefix is of Envoy only');
  if ((proxy === 'forward') !== (upstream !== undefined)) {
    throw new TypeError("upstream must be given exactly with proxy: 'forward'");
  }
  return upstream && forwardTo(upstream);
}

/** A signature that cannot be checked, or made, must not be promised; nor a payment that is not received. */
function assertBodiesPossible({ proxy, routes }: GatewayOptions): void {
  if (!Array.isArray(routes)) return;
  if (proxy === 'nginx' && routes.some((route: GatewayRoute) => route?.covers?.payment !== undefined)) {
    throw new TypeError("nginx sends no body: covers.payment needs proxy: 'forward' or 'envoy'");
  }
  const signatures = routes.flatMap((route: GatewayRoute) => route?.signatures ?? []);
  if (proxy === 'nginx' && signatures.length > 0) {
    throw new TypeError("nginx sends no body to be verified: signatures need proxy: 'forward' or 'envoy'");
  }
  if (proxy === 'envoy' && signatures.some(({ signsAnswers }) => signsAnswers)) {
    throw new TypeError("answers do not pass here with Envoy: to sign them needs proxy: 'forward'");
  }
}

function originalByHeaders(request: IncomingMessage): OriginalRequest {
  if (request.url !== ASKED) throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: request.url ?? '' });
  const method = findOneField(request.rawHeaders, 'x-original-method');
  const url = findOneField(request.rawHeaders, 'x-original-uri');
  if (method === undefined || url === undefined || !/^[A-Z]+$/.test(method)) {
    throw malformedHeader('X-Original-Method or X-Original-URI is missing or malformed');
  }
  return { method, url };
}

function originalByTarget(prefix: string): (request: IncomingMessage) => OriginalRequest {
  return ({ method = '', url = '' }) => {
    if (!url.startsWith(prefix))
      throw new OpenBankingError('ERR_HTTP_NOT_FOUND', { path: url.slice(0, 200) });
    return { method, url: url.slice(prefix.length) };
  };
}

/** `X_Tallystick_Client_Id` would not be overwritten, and many APIs could not distinguish it from ours. */
function assertNoLookAlike(rawHeaders: readonly string[]): void {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    // Folding keeps the length and the letters.
    if (name.length < IDENTITY_PREFIX.length || (name[0] !== 'x' && name[0] !== 'X')) continue;
    const folded = foldedName(name);
    if (folded.startsWith(IDENTITY_PREFIX) && folded !== name.toLowerCase()) {
      throw malformedHeader('a field has a name like one of ours');
    }
  }
}

function answerVerdict(request: IncomingMessage, response: ServerResponse, verdict: Verdict): void {
  if ('refusal' in verdict) {
    const { refusal } = verdict;
    const headers = { ...refusal.headers, [REFUSAL_HEADER]: packRefusal(refusal) };
    answerRefusal(request, response, { ...refusal, headers });
    return;
  }
  request.resume();
  // Without a length the answer would be chunked, and nginx would close its connection after each question.
  response.writeHead(200, { ...verdict.headers, ...identityHeaders(verdict), 'content-length': '0' });
  response.end();
}

/** The answer that nginx shows to a refused client: `error_page` leads here. */
function tellRefusal(request: IncomingMessage, response: ServerResponse): void {
  const packed = findOneField(request.rawHeaders, REFUSAL_HEADER) ?? '';
  const unavailable = {
    status: 503,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'retry-after': '1' },
    body: { error: 'temporarily_unavailable', error_description: 'the request could not be decided' },
  };
  answerRefusal(request, response, unpackRefusal(packed) ?? unavailable);
}
