import { OpenBankingError } from '../errors.ts';

/** What a decision is made from. Give the headers as they came: two fields of one name must not be merged. */
export interface RequestFacts {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** Alternating names and values, as in `IncomingMessage.rawHeaders`. */
  readonly rawHeaders: readonly string[];
}

/** RFC 6750 §2.1 b64token; 8 kB is more than any token of ours and fits every header limit. */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;
const MAX_TOKEN_CHARACTERS = 8192;

/**
 * The one access token of the request, from the Authorization field.
 *
 * @throws ERR_TOKEN_MISSING when there is none; ERR_TOKEN_REQUEST when there are several, or one elsewhere
 * @see RFC 6750 §2, FAPI 2.0 §5.3.4
 */
export function findBearerToken(facts: RequestFacts): string {
  const fields = facts.rawHeaders.flatMap((name, at) =>
    at % 2 === 0 && name.toLowerCase() === 'authorization' ? [facts.rawHeaders[at + 1] ?? ''] : [],
  );
  if (hasTokenInQuery(facts.url)) throw refused('a token in the query');
  const [field] = fields;
  if (field === undefined) throw new OpenBankingError('ERR_TOKEN_MISSING', {});
  if (fields.length > 1) throw refused('more than one Authorization field');
  const token = BEARER.exec(field)?.[1];
  if (token === undefined) {
    // Another scheme is no token of ours: the bare challenge tells the client which one to use.
    if (!/^Bearer\b/i.test(field)) throw new OpenBankingError('ERR_TOKEN_MISSING', {});
    throw refused('a malformed Authorization field');
  }
  if (token.length > MAX_TOKEN_CHARACTERS) throw refused('a token that is too long');
  return token;
}

function hasTokenInQuery(url: string): boolean {
  const query = url.indexOf('?');
  return query >= 0 && new URLSearchParams(url.slice(query + 1)).has('access_token');
}

function refused(problem: string): OpenBankingError<'ERR_TOKEN_REQUEST'> {
  return new OpenBankingError('ERR_TOKEN_REQUEST', { problem });
}
