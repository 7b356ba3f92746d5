import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse } from 'node:querystring';
import type { Context } from 'koa';
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { certificateSubjectMatches } from '../../clients/client-authentication.ts';
import { noteVerifiedAssertion } from '../../models/adapter.ts';
import { errors, type Provider, runInContext, verifyClientAssertion } from '../../provider-internals.ts';
import { isDeepJwt } from '../../request/nesting.ts';
import { MAX_PARAMETER_LENGTH } from '../../request/parameters.ts';

const FORM = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i;
const MAX_BODY_BYTES = 4096;
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
  const length = Number(headers['content-length']);
  if (!(length > 0 && length <= MAX_BODY_BYTES) || request.readableLength !== length) return undefined;
  const body: Buffer = request.read();
  request.unshift(body);
  const form = parse(body.toString());
  return Object.keys(form).every((name) => isShort(name, form[name])) ? form : undefined;
}

/** As `assertParameters` has it. */
function isShort(name: string, value: unknown): boolean {
  return typeof value === 'string' && (name === 'client_assertion' || value.length <= MAX_PARAMETER_LENGTH);
}

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** An assertion as the provider reads it before its client is known. */
export interface PlainAssertion {
  readonly sub: string;
  readonly jti: string;
}

/** The assertion of a form (RFC 7523), unverified; undefined where the provider must judge it. */
export function plainAssertion(form: ParsedUrlQuery): PlainAssertion | undefined {
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

export interface DirectRequest {
  readonly route: 'token' | 'introspection';
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

/** Takes the context away again: the provider makes its own. */
export function leaveToProvider(ctx: Context): void {
  Reflect.deleteProperty(ctx, 'oidc');
}
