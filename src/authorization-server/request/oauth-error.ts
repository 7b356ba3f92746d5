import type { errors as providerErrors } from 'oidc-provider';
import { answerText } from '../../answer-text.ts';
import { type ErrorClass, type ErrorCode, isRefusal, OpenBankingError } from '../../errors.ts';
import type { EventName } from '../../events.ts';
import { errors } from '../provider-internals.ts';
import { assertionProblem, requestObjectProblem } from './assertion-problems.ts';

interface Row {
  readonly status: number;
  readonly error: string;
  /** The event of the log. */
  readonly event: EventName;
}

/**
 * RFC 6749 §5.2 leaves 400 or 401. A 401 names an authentication scheme of HTTP (RFC 9110 §15.5.2), and there is none for
 * a certificate or an assertion: 401 is the answer to a caller that sent an Authorization field (error-handler.ts).
 */
const INVALID_CLIENT: Row = { status: 400, error: 'invalid_client', event: 'client.auth.refused' };
const INVALID_REQUEST: Row = { status: 400, error: 'invalid_request', event: 'request.refused' };
/** RFC 6749 §4.1.2.1 has the name; we use it at every endpoint, with Retry-After. */
const UNAVAILABLE: Row = { status: 503, error: 'temporarily_unavailable', event: 'dependency.unavailable' };
const HTTP: Row = { ...INVALID_REQUEST, event: 'http.refused' };
const SCOPE: Row = { status: 400, error: 'invalid_scope', event: 'request.refused' };
const GRANT: Row = { status: 400, error: 'invalid_grant', event: 'grant.refused' };
const PROOF: Row = { status: 400, error: 'invalid_dpop_proof', event: 'dpop.refused' };
const REGISTRATION: Row = { ...INVALID_REQUEST, event: 'registration.refused' };
const FAULT: Row = { status: 500, error: 'server_error', event: 'request.refused' };

const ANSWERS: Readonly<Record<ErrorClass, Row>> = {
  certificate: INVALID_CLIENT,
  tpp: INVALID_CLIENT,
  client: INVALID_CLIENT,
  scope: SCOPE,
  grant: GRANT,
  request: INVALID_REQUEST,
  token: { status: 401, error: 'invalid_token', event: 'request.refused' },
  proof: PROOF,
  signature: INVALID_REQUEST,
  unavailable: UNAVAILABLE,
  document: UNAVAILABLE,
  address: { ...INVALID_REQUEST, event: 'dependency.unavailable' },
  proxy: { ...INVALID_REQUEST, event: 'proxy.malformed_header' },
  http: HTTP,
  misdirected: { ...HTTP, status: 421 },
  'not-found': { ...HTTP, status: 404 },
  method: { ...HTTP, status: 405 },
  content: { ...HTTP, status: 415 },
  bank: { ...FAULT, event: 'dependency.unavailable' },
  limit: { ...UNAVAILABLE, status: 429, event: 'client.limited' },
  configuration: FAULT,
};

/** Codes whose answer or event is not that of their class. */
const EXCEPTIONS: Readonly<Partial<Record<ErrorCode, Row>>> = {
  ERR_TPP_ROLE_MISSING: { ...SCOPE, event: 'client.auth.refused' },
  ERR_TOKEN_SCOPE: { ...SCOPE, status: 403, error: 'insufficient_scope' },
  ERR_AUTHENTICATION_UNMET: { ...INVALID_REQUEST, error: 'unmet_authentication_requirements' },
  ERR_CLIENT_GRANT: { ...INVALID_REQUEST, error: 'unauthorized_client' },
  ERR_REQUEST_OBJECT: { ...INVALID_REQUEST, error: 'invalid_request_object' },
  ERR_AUTHORIZATION_DETAILS: { ...INVALID_REQUEST, error: 'invalid_authorization_details' },
  ERR_STORAGE_REVOKED: { ...GRANT, event: 'dependency.unavailable' },
  ERR_DPOP_NONCE: { ...PROOF, error: 'use_dpop_nonce' },
  ERR_CIBA_BINDING_MESSAGE: { ...INVALID_REQUEST, error: 'invalid_binding_message' },
  ERR_CIBA_UNKNOWN_CUSTOMER: { ...INVALID_REQUEST, error: 'unknown_user_id' },
  ERR_CIBA_USER_CODE_MISSING: { ...INVALID_REQUEST, error: 'missing_user_code' },
  ERR_CIBA_USER_CODE: { ...INVALID_REQUEST, error: 'invalid_user_code' },
  ERR_APPROVAL_PENDING: { ...GRANT, error: 'authorization_pending', event: 'ciba.polled' },
  ERR_APPROVAL_SLOW_DOWN: { ...GRANT, error: 'slow_down', event: 'ciba.polled' },
  ERR_APPROVAL_EXPIRED: { ...GRANT, error: 'expired_token', event: 'ciba.ended' },
  ERR_APPROVAL_DENIED: { ...GRANT, error: 'access_denied', event: 'ciba.ended' },
  ERR_GRANT_ID: { ...INVALID_REQUEST, error: 'invalid_grant_id' },
  ERR_GRANT_UNKNOWN: { ...INVALID_REQUEST, status: 404 },
  ERR_PAGE_TEMPLATE: { ...FAULT, event: 'page.template.failed' },
  ERR_DASHBOARD_FORM: { ...INVALID_REQUEST, status: 403, error: 'access_denied' },
  ERR_REGISTRATION_METADATA: { ...REGISTRATION, error: 'invalid_client_metadata' },
  ERR_REGISTRATION_REDIRECT_URI: { ...REGISTRATION, error: 'invalid_redirect_uri' },
  ERR_REGISTRATION_STATEMENT: { ...REGISTRATION, error: 'invalid_software_statement' },
  ERR_REGISTRATION_UNAPPROVED: { ...REGISTRATION, error: 'unapproved_software_statement' },
  ERR_REGISTRATION_ACCESS: { ...REGISTRATION, status: 401, error: 'invalid_token' },
  ERR_REGISTRATION_QUOTA: { ...REGISTRATION, status: 403, error: 'access_denied' },
  ERR_HTTP_TOO_LARGE: { ...HTTP, status: 413 },
  ERR_HTTP_TRANSFER_CODING: { ...HTTP, status: 501 },
  ERR_PROXY_UNTRUSTED: { ...INVALID_REQUEST, event: 'proxy.untrusted_header' },
};

function rowOf(error: OpenBankingError): Row {
  return EXCEPTIONS[error.code] ?? ANSWERS[error.class];
}

/** The event by which the log names a refusal. */
export function refusalEvent(error: OpenBankingError): EventName {
  return rowOf(error).event;
}

const RETRY_AFTER_SECONDS = 5;

/** Names that a standard has for the refusal of one of its parameters. */
const NAMES: Readonly<Record<string, string>> = {
  request: 'request_not_supported',
  registration: 'registration_not_supported',
  authorization_details: 'invalid_authorization_details',
};

function nameOf(error: OpenBankingError): string | undefined {
  return isRefusal(error, 'ERR_PARAMETER_UNSUPPORTED') ? NAMES[error.details.name] : undefined;
}

/** The answer of an OAuth endpoint to a refusal (RFC 6749 §5.2). */
export function oauthAnswer(error: OpenBankingError) {
  const { status, error: name } = rowOf(error);
  return {
    status,
    body: { error: nameOf(error) ?? name, error_description: answerText(error) },
    headers: {
      'cache-control': 'no-store',
      ...(isRefusal(
        error,
        'ERR_CLIENT_LIMIT',
        'ERR_CIBA_LIMIT',
        'ERR_DASHBOARD_BUSY',
        'ERR_REGISTRATION_LIMIT',
        'ERR_SELF_CHECK_LIMIT',
        'ERR_BANK_ATTEMPTS',
        'ERR_ADDRESS_LIMIT',
        'ERR_TPP_LIMIT',
      )
        ? { 'retry-after': String(error.details.seconds) }
        : {}),
      ...(status === 503 ? { 'retry-after': String(RETRY_AFTER_SECONDS) } : {}),
      ...(isRefusal(error, 'ERR_REGISTRATION_ACCESS')
        ? { 'www-authenticate': 'Bearer error="invalid_token"' }
        : {}),
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

/** Descriptions of the provider that say nothing; the detail beside each does. */
const UNNAMED: readonly string[] = [
  'client authentication failed',
  'grant request is invalid',
  'invalid token provided',
];

/** The provider's words for a grant that the client does not have, at the token and at the backchannel endpoint. */
const FOREIGN_GRANT =
  /^(requested grant type|urn:openid:params:grant-type:ciba) is not allowed for this client$/;

type ProtocolCode =
  | 'ERR_AUTHORIZATION_DETAILS'
  | 'ERR_CERT_MISSING'
  | 'ERR_CLIENT_AUTHENTICATION'
  | 'ERR_CLIENT_ASSERTION'
  | 'ERR_CLIENT_GRANT'
  | 'ERR_GRANT_INVALID'
  | 'ERR_PARAMETER_UNSUPPORTED'
  | 'ERR_REQUEST_INVALID'
  | 'ERR_REQUEST_OBJECT';

/** A refusal of the provider's in our catalogue's words; undefined for faults and for refusals of ours. */
export function protocolRefusal(fault: unknown): OpenBankingError<ProtocolCode> | undefined {
  const own = fault as Partial<providerErrors.OIDCProviderError> | undefined;
  if (own?.expose !== true || typeof own.error !== 'string' || findRefusal(fault) !== undefined)
    return undefined;
  const { error, error_description: description, error_detail: detail } = own;
  const isNamed = description !== undefined && !UNNAMED.includes(description);
  const said = isNamed ? [description, detail].filter(Boolean).join(': ') : (detail ?? error);
  const problem = said.replaceAll('"', "'").slice(0, 200);
  if (problem === 'client certificate was not provided') return new OpenBankingError('ERR_CERT_MISSING', {});
  if (error === 'invalid_client') {
    const assertion = assertionProblem(problem);
    return assertion === undefined
      ? new OpenBankingError('ERR_CLIENT_AUTHENTICATION', { problem })
      : new OpenBankingError('ERR_CLIENT_ASSERTION', { problem: assertion });
  }
  if (error === 'invalid_authorization_details') {
    return new OpenBankingError('ERR_AUTHORIZATION_DETAILS', { problem });
  }
  if (FOREIGN_GRANT.test(problem)) return new OpenBankingError('ERR_CLIENT_GRANT', { problem });
  if (error === 'invalid_grant') return new OpenBankingError('ERR_GRANT_INVALID', { problem });
  if (error === 'request_not_supported') {
    return new OpenBankingError('ERR_PARAMETER_UNSUPPORTED', { name: 'request' });
  }
  if (error === 'invalid_request_object') {
    return new OpenBankingError('ERR_REQUEST_OBJECT', { problem: requestObjectProblem(problem, own.cause) });
  }
  return new OpenBankingError('ERR_REQUEST_INVALID', { error, problem });
}

/** A refusal as an error of the provider, so that the provider's endpoints and redirects carry it. */
export function providerError(error: OpenBankingError): providerErrors.OIDCProviderError {
  const { status, body } = oauthAnswer(error);
  const wrapped = new errors.CustomOIDCProviderError(body.error, body.error_description);
  return Object.assign(wrapped, { status, statusCode: status, expose: true, cause: error });
}

/** Runs a decision, and throws its refusal as `providerError`. */
export function asProviderError<T>(decide: () => T): T {
  try {
    return decide();
  } catch (error) {
    throw isRefusal(error) ? providerError(error) : error;
  }
}

/** Waits for a decision, and throws its refusal as `providerError`. */
export async function refusing<T>(decision: Promise<T>): Promise<T> {
  try {
    return await decision;
  } catch (error) {
    throw isRefusal(error) ? providerError(error) : error;
  }
}
