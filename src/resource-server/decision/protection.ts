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
import type { ConsentInformation } from '../consent/consent-information.ts';
import { fieldsNamed, type RequestFacts, type RequestWithCertificate } from '../token/presented-token.ts';
import { MAX_BODY_BYTES, verifyCoverage } from './coverage.ts';
import { noteAuthorization, noteSignature } from './proven-request.ts';
import { type AcceptedTokens, ResourceMetadata, type ResourceMetadataOptions } from './resource-metadata.ts';
import type { RouteRequirement } from './route-requirement.ts';
import { receiveBody } from '../signatures/received-body.ts';

export interface ProtectionOptions {
  readonly authorizer: Authorizer;
  /** Where the client's certificate comes from. There is no default: a wrong guess would trust a stranger. */
  readonly clientCertificate: ClientCertificateOptions;
  /** Where refusals are logged. Default: nowhere. */
  readonly log?: Log;
  /** Publishes metadata (RFC 9728), whose address challenges then name. Default: none. A framework's glue serves them. */
  readonly resourceMetadata?: ResourceMetadataOptions | undefined;
}

/** The headers that every answer must have. */
export interface FapiHeaders {
  readonly 'x-fapi-interaction-id': string;
  readonly 'cache-control': 'no-store';
}

/** The decision, and the headers that the answer must have in either case. */
export type Verdict =
  | {
      readonly authorization: Authorization;
      readonly headers: FapiHeaders;
      /** On a route with `covers`. */
      readonly consent?: ConsentInformation | undefined;
    }
  | { readonly refusal: RefusalAnswer };

/** A request as its client sent it, where that differs from what this process got: see gateway.ts. */
export interface OriginalRequest {
  readonly method: string;
  readonly url: string;
}

/** A request that a framework asks about, with the object that the functions of `covers` get. */
export interface AskedRequest<Source> {
  readonly original: OriginalRequest | IncomingMessage;
  readonly source: Source;
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

/** The guard of an API, the same for every framework: each adapter only carries out the verdict. */
export class Protection {
  readonly log: Log;
  /** Undefined when no metadata are published. */
  readonly metadata: ResourceMetadata | undefined;
  readonly #schemes: readonly ('Bearer' | 'DPoP')[];
  readonly #authorizer: Authorizer;
  readonly #certificates: ClientCertificateSource;

  constructor(options: ProtectionOptions) {
    const { authorizer, clientCertificate, log = silentLog, resourceMetadata } = options;
    this.log = log;
    this.metadata = resourceMetadata && new ResourceMetadata(authorizer.accepted, resourceMetadata);
    this.#schemes = schemesOf(authorizer.accepted);
    this.#authorizer = authorizer;
    this.#certificates = createClientCertificateSource(clientCertificate);
    Object.freeze(this);
  }

  /** Whether routes can have `covers`. */
  get knowsConsents(): boolean {
    return this.#authorizer.knowsConsents;
  }

  /**
   * Decides about a request. Whatever is thrown on the way becomes a refusal, and is logged. The verdict comes without a
   * promise when all facts are in memory: two promises a request cost half as much as the whole decision (0.15 µs).
   */
  decide<Source>(
    request: IncomingMessage,
    requirement: RouteRequirement<Source>,
    asked: AskedRequest<Source>,
  ): Verdict | Promise<Verdict> {
    const { method = '', url = '' } = asked.original;
    const headers = fapiHeaders(request);
    let certificate: ClientCertificate['certificate'];
    try {
      ({ certificate } = this.#certificates.read(request));
      const facts = { method, url, rawHeaders: request.rawHeaders, certificate };
      const known = this.#authorizer.authorizeNow(facts, requirement);
      const isDecided = requirement.signatures === undefined && requirement.covers === undefined;
      if (known === undefined || !isDecided) {
        return this.#decideLater({ request, facts, headers, source: asked.source }, requirement, known);
      }
      noteAuthorization(request, known);
      return { authorization: known, headers };
    } catch (error) {
      return this.#refusal(error, { request, headers, method, url, certificate, scopes: requirement.scopes });
    }
  }

  /** The same where the token is not known, or where the route asks for more than a token. */
  async #decideLater<Source>(
    { request, facts, headers, source }: PendingRequest<Source>,
    requirement: RouteRequirement<Source>,
    known: Authorization | undefined,
  ): Promise<Verdict> {
    const { scopes, signatures, covers } = requirement;
    let authorization = known;
    try {
      authorization ??= await this.#authorizer.authorize(facts, requirement);
      const consent =
        signatures === undefined && covers === undefined
          ? undefined
          : await this.#examine({ request, facts, source }, requirement, authorization);
      noteAuthorization(request, authorization);
      return consent === undefined ? { authorization, headers } : { authorization, headers, consent };
    } catch (error) {
      const { clientId, consentId } = authorization ?? {};
      const { method, url, certificate } = facts;
      const refused = { request, headers, method, url, certificate, scopes };
      const accepted = clientId === undefined ? {} : { clientId, consentId, signatures };
      return this.#refusal(error, { ...refused, ...accepted });
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

  /** The answer in place of one that could not be signed, logged as the bank's own fault. */
  failAnswer(
    request: IncomingMessage,
    error: unknown,
    { method = '', url = '' }: OriginalRequest | IncomingMessage,
  ): RefusalAnswer {
    const answer = refusalAnswer(error);
    const route = (url.split('?')[0] ?? '').slice(0, 100);
    const interactionId = findInteractionId(request.rawHeaders);
    this.log.emit('rs.answer.unsigned', {
      method,
      route,
      status: answer.status,
      error,
      ...(interactionId === undefined ? {} : { interactionId }),
    });
    return answer;
  }

  /** Verifies what the route asks for besides the token: the signature, and then the consent, which it returns. */
  async #examine<Source>(
    asked: { readonly request: IncomingMessage; readonly facts: RequestFacts; readonly source: Source },
    { signatures, covers }: RouteRequirement<Source>,
    authorization: Authorization,
  ): Promise<ConsentInformation | undefined> {
    const { request, facts, source } = asked;
    // Before the body: a consent that has ended costs no memory.
    const consent = covers && (await this.#authorizer.consentOf(authorization));
    const maxBytes = signatures?.maxBodyBytes ?? covers?.maxBodyBytes ?? MAX_BODY_BYTES;
    const needsBody = signatures !== undefined || covers?.payment !== undefined;
    // Received after the token was accepted: a stranger cannot make us hold a body.
    const body = needsBody ? await receiveBody(request, maxBytes) : NOTHING;
    if (signatures !== undefined) {
      noteSignature(request, await signatures.verify({ ...facts, body }, authorization));
    }
    if (covers === undefined || consent === undefined) return undefined;
    await verifyCoverage(covers, consent, { source, url: facts.url, body });
    return consent;
  }

  #refusal(error: unknown, refused: RefusedRequest): { readonly refusal: RefusalAnswer } {
    const { headers, method, url, certificate, clientId } = refused;
    const address = this.#certificates.findAddress(refused.request);
    const answer = refusalAnswer(error, refused.scopes, {
      scheme: schemeOf(refused.request),
      schemes: this.#schemes,
      metadataUrl: this.metadata?.url,
    });
    const fields = {
      interactionId: headers['x-fapi-interaction-id'],
      method,
      route: (url.split('?')[0] ?? '').slice(0, 100),
      status: answer.status,
      error,
      ...(address === undefined ? {} : { address }),
      ...(certificate === undefined ? {} : { certificate: hexPrefix(certificate.thumbprint) }),
    };
    if (!isRefusal(error)) this.log.emit('rs.unexpected', fields);
    else if (clientId === undefined || answer.status >= 500) {
      this.log.emit(eventOf(answer.status, error.code), fields);
    } else if (refused.signatures === undefined || error.code.startsWith('ERR_CONSENT_')) {
      const { consentId } = refused;
      this.log.emit('rs.consent.refused', { ...fields, clientId, ...(consentId && { consentId }) });
    } else {
      // The token was accepted: only the signature, or the body below it, was not.
      this.log.emit('rs.signature.refused', { ...fields, clientId });
    }
    return { refusal: { ...answer, headers: { ...answer.headers, ...headers } } };
  }
}

interface PendingRequest<Source> {
  readonly request: IncomingMessage;
  readonly facts: RequestWithCertificate;
  readonly headers: FapiHeaders;
  readonly source: Source;
}

interface RefusedRequest {
  readonly request: IncomingMessage;
  readonly headers: FapiHeaders;
  readonly method: string;
  readonly url: string;
  readonly certificate: ClientCertificate['certificate'];
  readonly scopes: readonly string[];
  readonly clientId?: string;
  readonly consentId?: string | undefined;
  readonly signatures?: RouteRequirement['signatures'];
}

const NOTHING = Buffer.alloc(0);

function schemesOf({ senderConstraints, isDpopVerified }: AcceptedTokens): readonly ('Bearer' | 'DPoP')[] {
  const isBearer = senderConstraints.includes('certificate');
  const isDpop = isDpopVerified && senderConstraints.some((one) => one !== 'certificate');
  return [...(isBearer || !isDpop ? (['Bearer'] as const) : []), ...(isDpop ? (['DPoP'] as const) : [])];
}

/** The scheme of the challenge to a token that is not accepted is the scheme of the request (RFC 9449 §7.1). */
function schemeOf({ rawHeaders }: IncomingMessage): 'Bearer' | 'DPoP' {
  const [field = ''] = fieldsNamed(rawHeaders, 'authorization');
  return /^DPoP /i.test(field) ? 'DPoP' : 'Bearer';
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
  if (code === 'ERR_TOKEN_AUTHENTICATION') return 'rs.authentication.refused';
  if (status === 403) return 'rs.scope.refused';
  return status === 503 ? 'dependency.unavailable' : 'rs.token.refused';
}
