import { z } from 'zod';
import { answerText } from '../../answer-text.ts';
import { type ErrorClass, type ErrorCode, isRefusal, type OpenBankingError } from '../../errors.ts';

/** The answer to a refused request (RFC 9457). */
export const problemSchema = z
  .object({
    status: z.int().meta({ description: 'The status of the answer.' }),
    code: z.string().meta({ description: 'One of docs/refusals.md, or `ERR_UNEXPECTED`.' }),
    title: z.string().meta({ description: 'The rule that refused.' }),
    detail: z.string().optional().meta({ description: 'The rule with its evidence.' }),
    member: z
      .string()
      .optional()
      .meta({ description: 'The place of the fault in the request: `body.details.0.type`.' }),
    requestId: z.string().meta({ description: 'Names the request in the log of the server.' }),
  })
  .meta({ id: 'Problem' });

export const PROBLEM_TYPE = 'application/problem+json';

/** Status by class. A class that is absent is no fault of the caller's. */
const STATUS: Readonly<Partial<Record<ErrorClass, number>>> = {
  certificate: 401,
  client: 401,
  proxy: 400,
  request: 400,
  grant: 409,
  limit: 429,
  http: 400,
  misdirected: 421,
  'not-found': 404,
  method: 405,
  content: 415,
  tpp: 403,
  scope: 403,
  unavailable: 503,
  document: 503,
  bank: 422,
};
const STATUS_OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_BANK_CALLER_PART: 403,
  ERR_BANK_HANDLE: 404,
  ERR_BANK_IDEMPOTENCY: 422,
  ERR_BANK_INTERACTION_STEP: 409,
  ERR_CONSENT_UNKNOWN: 404,
  ERR_CONSENT_STATUS: 409,
  ERR_CONSENT_CHANGED: 409,
  ERR_APPROVAL_INVALID: 422,
  ERR_APPROVAL_OVER: 404,
  ERR_AUTHENTICATION_UNMET: 422,
  ERR_HTTP_TOO_LARGE: 413,
  ERR_STORAGE_REVOKED: 409,
  ERR_CLIENT_REGISTRATION: 409,
  ERR_CONFIG_INVALID: 409,
  ERR_MANAGEMENT_ROLE: 403,
  ERR_MANAGEMENT_ORIGIN: 403,
  ERR_MANAGEMENT_FORM: 403,
  ERR_MANAGEMENT_LOGIN: 403,
  ERR_MANAGEMENT_IDEMPOTENCY: 422,
  ERR_MANAGEMENT_VERSION_MISSING: 428,
  ERR_MANAGEMENT_VERSION: 412,
};
const RETRY_AFTER_SECONDS = 1;

/** Status, fields and body of the answer to a refusal; undefined for a fault that is none. */
export function problemOf(refusal: OpenBankingError | undefined, requestId: string) {
  if (refusal === undefined) {
    const title = 'the request could not be processed';
    return { status: 500, headers: {}, body: { status: 500, code: 'ERR_UNEXPECTED', title, requestId } };
  }
  const { code, rule: title } = refusal;
  const status = statusOf(refusal);
  const detail = answerText(refusal).slice(code.length + 2);
  const member = memberOf(refusal);
  const body = { status, code, title, detail, ...(member === undefined ? {} : { member }), requestId };
  return { status, headers: headersOf(refusal, status), body };
}

function memberOf(refusal: OpenBankingError): string | undefined {
  if (isRefusal(refusal, 'ERR_BANK_REQUEST')) return refusal.details.member;
  return isRefusal(refusal, 'ERR_MANAGEMENT_REQUEST') ? refusal.details.member : undefined;
}

/** The status of the answer to a refusal. */
export function statusOf({ code, class: errorClass }: Pick<OpenBankingError, 'code' | 'class'>): number {
  return STATUS_OF_CODE[code] ?? STATUS[errorClass] ?? 500;
}

function headersOf(refusal: OpenBankingError, status: number): Readonly<Record<string, string>> {
  if (isRefusal(refusal, 'ERR_BANK_ATTEMPTS')) return { 'retry-after': String(refusal.details.seconds) };
  if (isRefusal(refusal, 'ERR_HTTP_METHOD')) return { allow: refusal.details.allowed.join(', ') };
  if (isRefusal(refusal, 'ERR_MANAGEMENT_UNKNOWN')) return { 'www-authenticate': 'Bearer' };
  return status === 503 || isRefusal(refusal, 'ERR_MANAGEMENT_RUNNING')
    ? { 'retry-after': String(RETRY_AFTER_SECONDS) }
    : {};
}
