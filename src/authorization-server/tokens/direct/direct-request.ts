import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse } from 'node:querystring';
import type { Context } from 'koa';
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { certificateSubjectMatches } from '../../clients/client-authentication.ts';
import { noteVerifiedAssertion } from '../../models/adapter.ts';
import {
  answerErrors,
  errors,
  type Provider,
  runInContext,
  verifyClientAssertion,
} from '../../provider-internals.ts';
import { isDeepJwt } from '../../request/nesting.ts';
import { MAX_PARAMETER_LENGTH } from '../../request/parameters.ts';

const FORM = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i;
const MAX_BODY_BYTES = 4096;
/** RFC 6749 §3.3. */
export const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
/** An opaque token of ours; a JWT goes on to the provider. */
export const OPAQUE = /^[\w-]{1,64}$/;
/** Headers of ways to authenticate and to ask that the provider alone knows. */
const OTHER_WAYS = [
  'authorization',
  'origin',
  'dpop',
  'oauth-client-attestation',
  'oauth-client-attestation-pop',
];

/** The headers of the provider's answers at the token and introspection endpoints. */
export const DIRECT_HEADERS = Object.freeze({
  'cache-control': 'no-store',
  vary: 'Origin',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'WWW-Authenticate',
});

/**
 * The parameters of a small form whose body came together with its head, and that asks for nothing unusual in a header.
 * The body stays where it is.
 */
export function plainForm(request: IncomingMessage): ParsedUrlQuery | undefined {
  const { headers } = request;
  if (!FORM.test(headers['content-type'] ?? '') || OTHER_WAYS.some((name) => headers[name] !== undefined)) {
    return undefined;
  }
  const known = forms.get(request);
  if (known !== undefined) return known;
  const length = Number(headers['content-length']);
  if (!(length > 0 && length <= MAX_BODY_BYTES) || request.readableLength !== length) return undefined;
  const body: Buffer = request.read();
  request.unshift(body);
  const form = parse(body.toString());
  if (!Object.keys(form).every((name) => isShort(name, form[name]))) return undefined;
  forms.set(request, form);
  return form;
}

/** Parsed forms by request: several ways look at a token request. */
const forms = new WeakMap<IncomingMessage, ParsedUrlQuery>();

/** As `assertParameters` has it. */
function isShort(name: string, value: unknown): boolean {
  return typeof value === 'string' && (name === 'client_assertion' || value.length <= MAX_PARAMETER_LENGTH);
}

const OF_CLIENTS: ReadonlySet<string> = new Set(['client_id', 'client_assertion', 'client_assertion_type']);
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** An assertion as the provider reads it before its client is known. */
interface PlainAssertion {
  readonly sub: string;
  readonly jti: string;
}

/** The assertion of a form (RFC 7523), unverified; undefined where the provider must judge it. */
function plainAssertion(form: ParsedUrlQuery): PlainAssertion | undefined {
  const { client_assertion: assertion, client_assertion_type: type, client_id: clientId } = form;
  if (typeof assertion !== 'string' || type !== ASSERTION_TYPE || isDeepJwt(assertion)) return undefined;
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString());
    const { sub, jti } = Object(payload) as Readonly<Record<string, unknown>>;
    const isPlain = typeof sub === 'string' && typeof jti === 'string' && (clientId ?? sub) === sub;
    return isPlain ? { sub, jti } : undefined;
  } catch {
    return undefined;
  }
}

/** A form of few parameters, from a client that authenticates by its certificate or with an assertion. */
export interface PlainRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly assertion: PlainAssertion | undefined;
}

/**
 * The form of a request with these parameters, or some of them, each with a value, beside those of the client. Undefined for
 * every other form, and for an assertion that cannot be read.
 */
export function plainRequest(request: IncomingMessage, names: readonly string[]): PlainRequest | undefined {
  const form = plainForm(request);
  if (form === undefined) return undefined;
  const { client_assertion: signed, client_assertion_type: type, client_id: clientId } = form;
  const isKnown = (name: string) => OF_CLIENTS.has(name) || (names.includes(name) && form[name] !== '');
  if (clientId === '' || !Object.keys(form).every(isKnown)) return undefined;
  const params = form as Record<string, string>;
  if (signed === undefined && type === undefined) {
    return clientId === undefined ? undefined : { params, assertion: undefined };
  }
  const assertion = plainAssertion(form);
  return assertion === undefined ? undefined : { params, assertion };
}

/** The client of a request, if it is registered for the way in which the request authenticates. */
export async function plainClient(
  provider: Provider,
  { params, assertion }: PlainRequest,
): Promise<Client | undefined> {
  const client = await provider.Client.find(assertion?.sub ?? params.client_id ?? '');
  const method = assertion === undefined ? 'tls_client_auth' : 'private_key_jwt';
  return client?.clientAuthMethod === method ? client : undefined;
}

export interface DirectRequest {
  readonly route: 'token' | 'introspection' | 'revocation' | 'pushed_authorization_request';
  readonly params: Readonly<Record<string, string>>;
  readonly client: Client;
  /** Of a client that authenticates by its key. */
  readonly assertion?: PlainAssertion | undefined;
}

/**
 * The context that the provider's hooks and handlers read, for a client that has authenticated by its certificate or its
 * assertion. Undefined where the provider must refuse the client.
 */
export async function directContext(
  provider: Provider,
  ctx: Context,
  { route, params, client, assertion }: DirectRequest,
): Promise<KoaContextWithOIDC | undefined> {
  const oidc = new provider.OIDCContext(ctx as never);
  Object.assign(oidc, { route, params });
  oidc.entity('Client', client);
  // As a plain property: the provider's accessor has a closure that refers to the request.
  const context = Object.assign(ctx, { oidc }) as KoaContextWithOIDC;
  const isAuthenticated =
    assertion === undefined
      ? certificateSubjectMatches(context)
      : await runsUnrefused(context, () => verifyClientAssertion(context));
  if (isAuthenticated) {
    if (assertion !== undefined) noteVerifiedAssertion(ctx, assertion.jti);
    return context;
  }
  leaveToProvider(ctx);
  return undefined;
}

/** Runs a step of the provider. False where the step refuses the request; every other error is thrown. */
export async function runsUnrefused(
  context: KoaContextWithOIDC,
  step: () => Promise<void>,
): Promise<boolean> {
  try {
    await runInContext(context, step);
    return true;
  } catch (error) {
    if (error instanceof errors.OIDCProviderError) return false;
    throw error;
  }
}

/**
 * Runs the last step of an endpoint, and answers as the provider does, refusals too: they cannot be left to the provider
 * once the step may have changed something.
 */
export async function answerDirectly(
  context: KoaContextWithOIDC,
  errorEvent: 'grant.error' | 'revocation.error',
  step: () => Promise<void>,
): Promise<void> {
  await runInContext(context, () => answerErrors(errorEvent)(context, step));
}

/** Takes the context away again: the provider makes its own. */
export function leaveToProvider(ctx: Context): void {
  Reflect.deleteProperty(ctx, 'oidc');
}
