import { type ErrorCode, isRefusal, type OpenBankingError } from '../../errors.ts';

/** The answer of an OAuth endpoint (RFC 6749 §5.2) to a refusal. */
export interface OAuthAnswer {
  readonly status: number;
  readonly body: { readonly error: string; readonly error_description: string };
  readonly headers: Readonly<Record<string, string>>;
}

interface Row {
  readonly status: number;
  readonly error: string;
}

const INVALID_CLIENT: Row = { status: 401, error: 'invalid_client' };
const INVALID_REQUEST: Row = { status: 400, error: 'invalid_request' };
const INVALID_GRANT: Row = { status: 400, error: 'invalid_grant' };
const INVALID_TOKEN: Row = { status: 401, error: 'invalid_token' };
/** RFC 6749 §4.1.2.1 has the name; we use it at every endpoint, with Retry-After. */
const UNAVAILABLE: Row = { status: 503, error: 'temporarily_unavailable' };
const SERVER_ERROR: Row = { status: 500, error: 'server_error' };

const ANSWERS = {
  ERR_CERT_MISSING: INVALID_CLIENT,
  ERR_CERT_MALFORMED: INVALID_CLIENT,
  ERR_CERT_WEAK_KEY: INVALID_CLIENT,
  ERR_CERT_WEAK_SIGNATURE: INVALID_CLIENT,
  ERR_CERT_EXPIRED: INVALID_CLIENT,
  ERR_CERT_NOT_YET_VALID: INVALID_CLIENT,
  ERR_CERT_UNTRUSTED: INVALID_CLIENT,
  ERR_CERT_SIGNATURE_INVALID: INVALID_CLIENT,
  ERR_CERT_NOT_A_CA: INVALID_CLIENT,
  ERR_CERT_PATH_LENGTH: INVALID_CLIENT,
  ERR_CERT_NAME_CONSTRAINTS: INVALID_CLIENT,
  ERR_CERT_CRITICAL_EXTENSION: INVALID_CLIENT,
  ERR_CERT_KEY_USAGE: INVALID_CLIENT,
  ERR_CERT_EXTENDED_KEY_USAGE: INVALID_CLIENT,
  ERR_CERT_POLICY: INVALID_CLIENT,
  ERR_CERT_PROFILE: INVALID_CLIENT,
  ERR_CERT_PATH_BUDGET: INVALID_CLIENT,
  ERR_CERT_REVOKED: INVALID_CLIENT,
  ERR_CERT_REVOCATION_INVALID: INVALID_CLIENT,
  ERR_CERT_REVOCATION_UNAVAILABLE: UNAVAILABLE,
  ERR_OCSP_MALFORMED: UNAVAILABLE,
  ERR_CERT_BLOCKED: INVALID_CLIENT,
  ERR_NAME_MALFORMED: INVALID_REQUEST,
  ERR_CRL_MALFORMED: UNAVAILABLE,
  ERR_CRL_UNTRUSTED: UNAVAILABLE,
  ERR_TPP_IDENTIFIER_INVALID: INVALID_CLIENT,
  ERR_TPP_STATEMENT_MISSING: INVALID_CLIENT,
  ERR_TPP_STATEMENT_INVALID: INVALID_CLIENT,
  ERR_TPP_CERTIFICATE_TYPE: INVALID_CLIENT,
  ERR_TPP_NCA_MISMATCH: INVALID_CLIENT,
  ERR_TPP_NOT_REGISTERED: INVALID_CLIENT,
  ERR_TPP_NOT_AUTHORIZED: INVALID_CLIENT,
  ERR_TPP_NOT_PASSPORTED: INVALID_CLIENT,
  ERR_TPP_BLOCKED: INVALID_CLIENT,
  ERR_TPP_CLIENT_MISMATCH: INVALID_CLIENT,
  ERR_TPP_ROLE_MISSING: { status: 400, error: 'invalid_scope' },
  ERR_SCOPE_UNKNOWN: { status: 400, error: 'invalid_scope' },
  ERR_CLIENT_AUTHENTICATION: INVALID_CLIENT,
  ERR_GRANT_INVALID: INVALID_GRANT,
  ERR_REQUEST_INVALID: INVALID_REQUEST,
  ERR_CLIENT_ASSERTION: INVALID_CLIENT,
  ERR_CLIENT_SUBJECT_MISMATCH: INVALID_CLIENT,
  ERR_CLIENT_REGISTRATION: INVALID_REQUEST,
  ERR_PSU_INPUT: INVALID_REQUEST,
  ERR_ASPSP_UNAVAILABLE: UNAVAILABLE,
  ERR_ASPSP_ANSWER: SERVER_ERROR,
  ERR_TOKEN_MISSING: INVALID_TOKEN,
  ERR_TOKEN_REQUEST: INVALID_REQUEST,
  ERR_TOKEN_INVALID: INVALID_TOKEN,
  ERR_TOKEN_EXPIRED: INVALID_TOKEN,
  ERR_TOKEN_UNBOUND: INVALID_TOKEN,
  ERR_TOKEN_BINDING: INVALID_TOKEN,
  ERR_TOKEN_REVOKED: INVALID_TOKEN,
  ERR_TOKEN_STATUS_UNAVAILABLE: UNAVAILABLE,
  ERR_TOKEN_SCOPE: { status: 403, error: 'insufficient_scope' },
  ERR_TOKEN_KEYS_UNAVAILABLE: UNAVAILABLE,
  ERR_TOKEN_INTROSPECTION_UNAVAILABLE: UNAVAILABLE,
  ERR_DPOP_PROOF: { status: 400, error: 'invalid_dpop_proof' },
  ERR_DPOP_NONCE: { status: 400, error: 'use_dpop_nonce' },
  ERR_DPOP_UNAVAILABLE: UNAVAILABLE,
  ERR_REGISTRY_INVALID: UNAVAILABLE,
  ERR_BLOCK_LIST_INVALID: UNAVAILABLE,
  ERR_STORAGE_UNAVAILABLE: UNAVAILABLE,
  ERR_STORAGE_REVOKED: INVALID_GRANT,
  ERR_OUTBOUND_REFUSED: INVALID_REQUEST,
  ERR_OUTBOUND_FAILED: UNAVAILABLE,
  ERR_PROXY_UNTRUSTED: INVALID_REQUEST,
  ERR_PROXY_HEADER: INVALID_REQUEST,
  ERR_HTTP_MALFORMED: INVALID_REQUEST,
  ERR_HTTP_MISDIRECTED: { status: 421, error: 'invalid_request' },
  ERR_HTTP_NOT_FOUND: { status: 404, error: 'invalid_request' },
  ERR_HTTP_METHOD: { status: 405, error: 'invalid_request' },
  ERR_CONFIG_INVALID: SERVER_ERROR,
} as const satisfies Record<ErrorCode, Row>;

const RETRY_AFTER_SECONDS = 5;

/** Maps a refusal to its answer. `error_description` is the code and the rule, never the evidence. */
export function oauthAnswer(error: OpenBankingError): OAuthAnswer {
  const { status, error: name } = ANSWERS[error.code];
  return {
    status,
    body: { error: name, error_description: error.message },
    headers: {
      'cache-control': 'no-store',
      ...(status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}),
      ...(isRefusal(error, 'ERR_HTTP_METHOD') ? { allow: error.details.allowed.join(', ') } : {}),
    },
  };
}

/** The first refusal of ours in the chain of causes, if there is one. */
export function findRefusal(error: unknown): OpenBankingError | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if (isRefusal(at)) return at;
  }
  return undefined;
}
