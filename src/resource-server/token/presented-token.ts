import { OpenBankingError } from '../../errors.ts';
import type { PresentedCertificate } from '../../mutual-tls/client-certificate.ts';

/** The facts of a request. Headers as they came: two fields of one name must not be merged. */
export interface RequestFacts {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Alternating names and values, as in `IncomingMessage.rawHeaders`. */
  readonly rawHeaders: readonly string[];
}

/** A request together with the certificate of its connection; `undefined` when there is none. */
export interface RequestWithCertificate extends RequestFacts {
  readonly certificate: PresentedCertificate | undefined;
}

export interface PresentedToken {
  readonly scheme: 'Bearer' | 'DPoP';
  readonly token: string;
}

/** RFC 6750 §2.1 and RFC 9449 §7.1: a scheme without case, and a token68. */
const CREDENTIALS = /^(Bearer|DPoP) +([A-Za-z0-9\-._~+/]+=*)$/i;
/** More than any token of ours, and within every header limit. */
const MAX_TOKEN_CHARACTERS = 8192;

/**
 * The one access token of the request, from the Authorization field.
 *
 * @throws ERR_TOKEN_MISSING when there is none; ERR_TOKEN_REQUEST when there are several, or one elsewhere
 * @see RFC 6750 §2, RFC 9449 §7.1, FAPI 2.0 §5.3.4
 */
export function findPresentedToken(facts: RequestFacts): PresentedToken {
  const fields = fieldsNamed(facts.rawHeaders, 'authorization');
  if (hasTokenInQuery(facts.url)) throw refused('a token in the query');
  const [field] = fields;
  if (field === undefined) throw new OpenBankingError('ERR_TOKEN_MISSING', {});
  if (fields.length > 1) throw refused('more than one Authorization field');
  const [, scheme, token] = CREDENTIALS.exec(field) ?? [];
  if (scheme === undefined || token === undefined) {
    // Another scheme has no token of ours: the bare challenge names the right one.
    if (!/^(Bearer|DPoP)\b/i.test(field)) throw new OpenBankingError('ERR_TOKEN_MISSING', {});
    throw refused('a malformed Authorization field');
  }
  if (token.length > MAX_TOKEN_CHARACTERS) throw refused('a token that is too long');
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer', token };
}

/**
 * The Authorization field of a request that has exactly one and no query that could hold a token; undefined for
 * every other request, which `findPresentedToken` then judges.
 */
export function plainAuthorization({ rawHeaders, url }: RequestFacts): string | undefined {
  if (hasTokenInQuery(url)) return undefined;
  const [field, more] = fieldsNamed(rawHeaders, 'authorization');
  return more === undefined ? field : undefined;
}

/** Every value of a field, in the order of the request. `name` in lower case. */
export function fieldsNamed(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const field = rawHeaders[at];
    if (field?.length === name.length && field.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
  }
  return values;
}

function hasTokenInQuery(url: string): boolean {
  const query = url.indexOf('?');
  return query >= 0 && new URLSearchParams(url.slice(query + 1)).has('access_token');
}

function refused(problem: string): OpenBankingError<'ERR_TOKEN_REQUEST'> {
  return new OpenBankingError('ERR_TOKEN_REQUEST', { problem });
}
