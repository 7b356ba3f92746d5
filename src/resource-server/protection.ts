import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isRefusal } from '../errors.ts';
import { type Log, silentLog } from '../log.ts';
import { presentedCertificate } from '../mutual-tls/client-certificate.ts';
import type { Authorization, Authorizer, Requirement } from './authorize.ts';
import { type RefusalAnswer, refusalAnswer } from './challenge.ts';

export interface ProtectionOptions extends Requirement {
  /** Where refusals are logged. Default: nowhere. */
  readonly log?: Log;
}

export type Verdict =
  | { readonly authorization: Authorization; readonly headers: Readonly<Record<string, string>> }
  | { readonly refusal: RefusalAnswer };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Decides about a request of node:http and prepares its headers, the same for every framework: the caller's
 * `x-fapi-interaction-id` comes back, or a new one (FAPI 1.0 Baseline §6.2.1), and nothing is cached.
 */
export async function protect(
  request: IncomingMessage,
  authorizer: Authorizer,
  options: ProtectionOptions,
): Promise<Verdict> {
  const sent = request.headers['x-fapi-interaction-id'];
  const interactionId = typeof sent === 'string' && UUID.test(sent) ? sent : randomUUID();
  const headers = { 'x-fapi-interaction-id': interactionId, 'cache-control': 'no-store' };
  const certificate = presentedCertificate(request.socket);
  const url = request.url ?? '';
  try {
    const facts = { method: request.method ?? '', url, rawHeaders: request.rawHeaders, certificate };
    return { authorization: await authorizer.authorize(facts, options), headers };
  } catch (error) {
    const answer = refusalAnswer(error, options.scopes);
    const log = options.log ?? silentLog;
    const fields = {
      interactionId,
      method: request.method ?? '',
      route: (url.split('?')[0] ?? '').slice(0, 100),
      status: answer.status,
      error,
      ...(certificate === undefined
        ? {}
        : { certificate: Buffer.from(certificate.thumbprint, 'base64url').toString('hex').slice(0, 16) }),
    };
    if (isRefusal(error)) log.warn(eventOf(answer.status), fields);
    else log.error('rs.unexpected', fields);
    return { refusal: { ...answer, headers: { ...answer.headers, ...headers } } };
  }
}

function eventOf(status: number): string {
  if (status === 403) return 'rs.scope.refused';
  return status === 503 ? 'dependency.unavailable' : 'rs.token.refused';
}
