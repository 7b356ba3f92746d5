import { answerText } from '../../answer-text.ts';
import { type ErrorClass, type ErrorCode, isRefusal } from '../../errors.ts';
import { ALGORITHMS } from '../token/compact-signature.ts';

/** The answer of a protected resource to a refusal (RFC 6750 §3). */
export interface RefusalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: string; readonly error_description: string };
}

interface Row {
  readonly status: number;
  /** Absent: a bare challenge, because the request held no token at all. */
  readonly error?:
    | 'invalid_request'
    | 'invalid_token'
    | 'insufficient_scope'
    | 'insufficient_user_authentication'
    | 'invalid_dpop_proof'
    | 'use_dpop_nonce';
  /** RFC 9449 §7.1 has its own challenge. Default: Bearer. */
  readonly scheme?: 'DPoP';
}

const NO_TOKEN: Row = { status: 401 };
const INVALID_REQUEST: Row = { status: 400, error: 'invalid_request' };
const INVALID_TOKEN: Row = { status: 401, error: 'invalid_token' };
const UNAVAILABLE: Row = { status: 503 };
const FAULT: Row = { status: 500 };

const PROOF: Row = { status: 401, error: 'invalid_dpop_proof', scheme: 'DPoP' };

const ANSWERS: Readonly<Record<ErrorClass, Row>> = {
  certificate: INVALID_TOKEN,
  tpp: INVALID_TOKEN,
  client: INVALID_TOKEN,
  scope: { status: 403, error: 'insufficient_scope' },
  grant: INVALID_TOKEN,
  request: INVALID_REQUEST,
  token: INVALID_TOKEN,
  proof: PROOF,
  // FAPI 2.0 HTTP Signatures: 401. No other token would help, so it is not invalid_token.
  signature: { status: 401, error: 'invalid_request' },
  unavailable: UNAVAILABLE,
  document: UNAVAILABLE,
  address: UNAVAILABLE,
  proxy: INVALID_REQUEST,
  http: INVALID_REQUEST,
  misdirected: { ...INVALID_REQUEST, status: 421 },
  'not-found': { ...INVALID_REQUEST, status: 404 },
  method: { ...INVALID_REQUEST, status: 405 },
  limit: { status: 429 },
  content: { ...INVALID_REQUEST, status: 415 },
  bank: FAULT,
  configuration: FAULT,
};

/** Codes whose answer is not that of their class. */
const EXCEPTIONS: Readonly<Partial<Record<ErrorCode, Row>>> = {
  ERR_TOKEN_MISSING: NO_TOKEN,
  ERR_TOKEN_AUTHENTICATION: { status: 401, error: 'insufficient_user_authentication' },
  ERR_DPOP_NONCE: { ...PROOF, error: 'use_dpop_nonce' },
  ERR_HTTP_TOO_LARGE: { ...INVALID_REQUEST, status: 413 },
};

const RETRY_AFTER_SECONDS = 5;

/** Facts of an API and its request that a challenge names besides the refusal. */
export interface ChallengeFacts {
  /** The scheme of the request's Authorization field. Default: Bearer. */
  readonly scheme?: 'Bearer' | 'DPoP';
  /** The schemes that the API accepts. Default: Bearer. */
  readonly schemes?: readonly ('Bearer' | 'DPoP')[];
  /** Where the metadata of the API is (RFC 9728 §5.1). */
  readonly metadataUrl?: string | undefined;
}

/**
 * Maps a refusal to status, headers and a JSON body. Any other error is a 500 without
 * details. `scopes` are the ones that the request needed, for the challenge of a 403.
 */
export function refusalAnswer(
  error: unknown,
  scopes: readonly string[] = [],
  facts: ChallengeFacts = {},
): RefusalAnswer {
  const row: Row = isRefusal(error) ? (EXCEPTIONS[error.code] ?? ANSWERS[error.class]) : FAULT;
  const description = isRefusal(error) ? answerText(error) : 'the request could not be processed';
  return {
    status: row.status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(row.status === 503 || row.status === 429 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}),
      ...(row === NO_TOKEN || row.error !== undefined
        ? { 'www-authenticate': challenge(row, { description, extra: parametersOf(error, scopes), facts }) }
        : {}),
      ...(isRefusal(error, 'ERR_DPOP_NONCE') ? { 'dpop-nonce': error.details.nonce } : {}),
      // RFC 9110 §15.5.6
      ...(isRefusal(error, 'ERR_HTTP_METHOD') ? { allow: error.details.allowed.join(', ') } : {}),
    },
    body: { error: row.error ?? nameOf(row), error_description: description },
  };
}

/** Parameters that a refusal has besides: the scopes that help, or the authentication (RFC 9470 §3). */
function parametersOf(error: unknown, scopes: readonly string[]): readonly string[] {
  if (isRefusal(error, 'ERR_TOKEN_AUTHENTICATION')) {
    const { acrValues, maxAgeSeconds } = error.details;
    return [
      ...(acrValues.length === 0 ? [] : [`acr_values="${acrValues.join(' ')}"`]),
      ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
    ];
  }
  // No scope makes up for what a consent does not cover.
  const isOfScope = isRefusal(error) && error.class === 'scope' && !error.code.startsWith('ERR_CONSENT_');
  return isOfScope ? [`scope="${scopes.join(' ')}"`] : [];
}

interface ChallengedRequest {
  readonly description: string;
  readonly extra: readonly string[];
  readonly facts: ChallengeFacts;
}

/** Descriptions are answer texts: they hold no quote and no backslash (RFC 6750 §3). */
function challenge({ error, scheme }: Row, { description, extra, facts }: ChallengedRequest): string {
  // Without a token there is no error: one challenge for each scheme (RFC 9449 §7.2).
  if (error === undefined)
    return (facts.schemes ?? ['Bearer']).map((one) => schemeOf(one, [], facts)).join(', ');
  const parameters = [`error="${error}"`, `error_description="${description}"`, ...extra];
  return schemeOf(scheme ?? facts.scheme ?? 'Bearer', parameters, facts);
}

function schemeOf(
  scheme: 'Bearer' | 'DPoP',
  parameters: readonly string[],
  { metadataUrl }: ChallengeFacts,
): string {
  const all = [
    ...parameters,
    ...(scheme === 'DPoP' ? [`algs="${ALGORITHMS.join(' ')}"`] : []),
    ...(metadataUrl === undefined ? [] : [`resource_metadata="${metadataUrl}"`]),
  ];
  return [scheme, all.join(', ')].filter(Boolean).join(' ');
}

function nameOf(row: Row): string {
  if (row.status === 503 || row.status === 429) return 'temporarily_unavailable';
  return row.status === 401 ? 'invalid_token' : 'server_error';
}
