import type { IncomingMessage } from 'node:http';
import { type ParsedUrlQuery, parse } from 'node:querystring';
import type { Context } from 'koa';
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { certificateSubjectMatches } from '../clients/client-authentication.ts';
import type { Provider } from '../provider-internals.ts';

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
  return parse(body.toString());
}

export interface DirectRequest {
  readonly route: 'token' | 'introspection';
  readonly params: Readonly<Record<string, string>>;
  readonly client: Client;
}

/**
 * The context that the provider's hooks and handlers read, for a client that authenticates by its certificate. Undefined
 * where the provider must refuse the client.
 */
export function directContext(
  provider: Provider,
  ctx: Context,
  { route, params, client }: DirectRequest,
): KoaContextWithOIDC | undefined {
  const oidc = new provider.OIDCContext(ctx as never);
  Object.assign(oidc, { route, params });
  oidc.entity('Client', client);
  // As a plain property: the provider's accessor has a closure that refers to the request.
  const context = Object.assign(ctx, { oidc }) as KoaContextWithOIDC;
  if (certificateSubjectMatches(context)) return context;
  leaveToProvider(ctx);
  return undefined;
}

/** Takes the context away again: the provider makes its own. */
export function leaveToProvider(ctx: Context): void {
  Reflect.deleteProperty(ctx, 'oidc');
}
