import { type ErrorCode, isRefusal } from '../../errors.ts';
import { ALGORITHMS } from '../token/algorithms.ts';

/** What a protected resource answers to a refusal (RFC 6750 §3). */
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
    | 'invalid_dpop_proof'
    | 'use_dpop_nonce';
  /** RFC 9449 §7.1 has its own challenge. Default: Bearer. */
  readonly scheme?: 'DPoP';
}

const NO_TOKEN: Row = { status: 401 };
const INVALID_REQUEST: Row = { status: 400, error: 'invalid_request' };
const INVALID_TOKEN: Row = { status: 401, error: 'invalid_token' };
const INSUFFICIENT_SCOPE: Row = { status: 403, error: 'insufficient_scope' };
const UNAVAILABLE: Row = { status: 503 };
const FAULT: Row = { status: 500 };

const ANSWERS = {
  ERR_CERT_MISSING: INVALID_TOKEN,
  ERR_CERT_MALFORMED: INVALID_TOKEN,
  ERR_CERT_WEAK_KEY: INVALID_TOKEN,
  ERR_CERT_WEAK_SIGNATURE: INVALID_TOKEN,
  ERR_CERT_EXPIRED: INVALID_TOKEN,
  ERR_CERT_NOT_YET_VALID: INVALID_TOKEN,
  ERR_CERT_UNTRUSTED: INVALID_TOKEN,
  ERR_CERT_SIGNATURE_INVALID: INVALID_TOKEN,
  ERR_CERT_NOT_A_CA: INVALID_TOKEN,
  ERR_CERT_PATH_LENGTH: INVALID_TOKEN,
  ERR_CERT_NAME_CONSTRAINTS: INVALID_TOKEN,
  ERR_CERT_CRITICAL_EXTENSION: INVALID_TOKEN,
  ERR_CERT_KEY_USAGE: INVALID_TOKEN,
  ERR_CERT_EXTENDED_KEY_USAGE: INVALID_TOKEN,
  ERR_CERT_POLICY: INVALID_TOKEN,
  ERR_CERT_PROFILE: INVALID_TOKEN,
  ERR_CERT_PATH_BUDGET: INVALID_TOKEN,
  ERR_CERT_REVOKED: INVALID_TOKEN,
  ERR_CERT_REVOCATION_INVALID: INVALID_TOKEN,
  ERR_CERT_REVOCATION_UNAVAILABLE: UNAVAILABLE,
  ERR_OCSP_MALFORMED: UNAVAILABLE,
  ERR_CERT_BLOCKED: INVALID_TOKEN,
  ERR_NAME_MALFORMED: INVALID_REQUEST,
  ERR_CRL_MALFORMED: UNAVAILABLE,
  ERR_CRL_UNTRUSTED: UNAVAILABLE,
  ERR_TPP_IDENTIFIER_INVALID: INVALID_TOKEN,
  ERR_TPP_STATEMENT_MISSING: INVALID_TOKEN,
  ERR_TPP_STATEMENT_INVALID: INVALID_TOKEN,
  ERR_TPP_CERTIFICATE_TYPE: INVALID_TOKEN,
  ERR_TPP_NCA_MISMATCH: INVALID_TOKEN,
  ERR_TPP_NOT_REGISTERED: INVALID_TOKEN,
  ERR_TPP_NOT_AUTHORIZED: INVALID_TOKEN,
  ERR_TPP_NOT_PASSPORTED: INVALID_TOKEN,
  ERR_TPP_BLOCKED: INVALID_TOKEN,
  ERR_TPP_CLIENT_MISMATCH: INVALID_TOKEN,
  ERR_TPP_ROLE_MISSING: INSUFFICIENT_SCOPE,
  ERR_SCOPE_UNKNOWN: INSUFFICIENT_SCOPE,
  ERR_CLIENT_AUTHENTICATION: INVALID_TOKEN,
  ERR_GRANT_INVALID: INVALID_TOKEN,
  ERR_REQUEST_INVALID: INVALID_REQUEST,
  ERR_CLIENT_ASSERTION: INVALID_TOKEN,
  ERR_CLIENT_SUBJECT_MISMATCH: INVALID_TOKEN,
  ERR_CLIENT_REGISTRATION: INVALID_REQUEST,
  ERR_PSU_INPUT: INVALID_REQUEST,
  ERR_ASPSP_UNAVAILABLE: UNAVAILABLE,
  ERR_ASPSP_ANSWER: FAULT,
  ERR_TOKEN_MISSING: NO_TOKEN,
  ERR_TOKEN_REQUEST: INVALID_REQUEST,
  ERR_TOKEN_INVALID: INVALID_TOKEN,
  ERR_TOKEN_EXPIRED: INVALID_TOKEN,
  ERR_TOKEN_UNBOUND: INVALID_TOKEN,
  ERR_TOKEN_BINDING: INVALID_TOKEN,
  ERR_TOKEN_REVOKED: INVALID_TOKEN,
  ERR_TOKEN_STATUS_UNAVAILABLE: UNAVAILABLE,
  ERR_TOKEN_SCOPE: INSUFFICIENT_SCOPE,
  ERR_TOKEN_KEYS_UNAVAILABLE: UNAVAILABLE,
  ERR_TOKEN_INTROSPECTION_UNAVAILABLE: UNAVAILABLE,
  ERR_DPOP_PROOF: { status: 401, error: 'invalid_dpop_proof', scheme: 'DPoP' },
  ERR_DPOP_NONCE: { status: 401, error: 'use_dpop_nonce', scheme: 'DPoP' },
  ERR_DPOP_UNAVAILABLE: UNAVAILABLE,
  ERR_REGISTRY_INVALID: UNAVAILABLE,
  ERR_BLOCK_LIST_INVALID: UNAVAILABLE,
  ERR_STORAGE_UNAVAILABLE: UNAVAILABLE,
  ERR_STORAGE_REVOKED: INVALID_TOKEN,
  ERR_OUTBOUND_REFUSED: UNAVAILABLE,
  ERR_OUTBOUND_FAILED: UNAVAILABLE,
  ERR_PROXY_UNTRUSTED: INVALID_REQUEST,
  ERR_PROXY_HEADER: INVALID_REQUEST,
  ERR_HTTP_MALFORMED: INVALID_REQUEST,
  ERR_HTTP_MISDIRECTED: { status: 421, error: 'invalid_request' },
  ERR_HTTP_NOT_FOUND: { status: 404, error: 'invalid_request' },
  ERR_HTTP_METHOD: { status: 405, error: 'invalid_request' },
  ERR_CONFIG_INVALID: FAULT,
} as const satisfies Record<ErrorCode, Row>;

const RETRY_AFTER_SECONDS = 5;

/**
 * Maps a refusal to status, headers and a JSON body. Anything that is not a refusal of ours is a 500 that says
 * nothing. `scopes` are the ones that the request needed, for the challenge of a 403.
 */
export function refusalAnswer(error: unknown, scopes: readonly string[] = []): RefusalAnswer {
  const row: Row = isRefusal(error) ? ANSWERS[error.code] : FAULT;
  const description = isRefusal(error) ? error.message : 'the request could not be processed';
  return {
    status: row.status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(row.status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}),
      ...(row === NO_TOKEN || row.error !== undefined
        ? { 'www-authenticate': challenge(row, description, scopes) }
        : {}),
      ...(isRefusal(error, 'ERR_DPOP_NONCE') ? { 'dpop-nonce': error.details.nonce } : {}),
      // RFC 9110 §15.5.6
      ...(isRefusal(error, 'ERR_HTTP_METHOD') ? { allow: error.details.allowed.join(', ') } : {}),
    },
    body: { error: row.error ?? nameOf(row), error_description: description },
  };
}

/** Descriptions come from our own catalogue: they hold no quote and no backslash (RFC 6750 §3). */
function challenge(row: Row, description: string, scopes: readonly string[]): string {
  if (row.error === undefined) return 'Bearer';
  const scope = row.error === 'insufficient_scope' ? `, scope="${scopes.join(' ')}"` : '';
  if (row.scheme === 'DPoP') {
    return `DPoP error="${row.error}", error_description="${description}", algs="${ALGORITHMS.join(' ')}"`;
  }
  return `Bearer error="${row.error}", error_description="${description}"${scope}`;
}

function nameOf(row: Row): string {
  if (row.status === 503) return 'temporarily_unavailable';
  return row.status === 401 ? 'invalid_token' : 'server_error';
}
