import { isRefusal } from '../../../errors.ts';
import { ApiRefusal, type RefusalFacts } from '../api/api-refusal.ts';
import type { BodyFault } from '../api/request-body.ts';

/** Message codes of NextGenPSD2, with the status of each (implementation guidelines 1.3, chapter 14.11). */
const STATUSES = {
  FORMAT_ERROR: 400,
  PARAMETER_NOT_SUPPORTED: 400,
  PERIOD_INVALID: 400,
  SESSIONS_NOT_SUPPORTED: 400,
  EXECUTION_DATE_INVALID: 400,
  CONSENT_INVALID: 401,
  CONSENT_EXPIRED: 401,
  CONSENT_UNKNOWN: 403,
  RESOURCE_UNKNOWN: 404,
  PRODUCT_UNKNOWN: 404,
  STATUS_INVALID: 409,
  ACCESS_EXCEEDED: 429,
} as const;

/** Codes of the Berlin Group, by the start of the code of our refusal. */
const BY_OWN_CODE = [
  ['ERR_CONSENT_ACCOUNT', 'RESOURCE_UNKNOWN'],
  ['ERR_CONSENT_', 'CONSENT_INVALID'],
  ['ERR_CERT_MISSING', 'CERTIFICATE_MISSING'],
  ['ERR_CERT_EXPIRED', 'CERTIFICATE_EXPIRED'],
  ['ERR_CERT_REVOKED', 'CERTIFICATE_REVOKED'],
  ['ERR_CERT_', 'CERTIFICATE_INVALID'],
  ['ERR_TPP_ROLE_MISSING', 'ROLE_INVALID'],
  ['ERR_TPP_BLOCKED', 'CERTIFICATE_BLOCKED'],
  ['ERR_TPP_', 'CERTIFICATE_BLOCKED'],
  ['ERR_TOKEN_EXPIRED', 'TOKEN_EXPIRED'],
  ['ERR_TOKEN_', 'TOKEN_INVALID'],
] as const;
const BY_STATUS: Readonly<Record<number, string>> = {
  404: 'RESOURCE_UNKNOWN',
  405: 'SERVICE_INVALID',
  500: 'INTERNAL_SERVER_ERROR',
};
const OWN_CODE = /\bERR_[A-Z_]+\b/;

export function berlinRefusal(code: keyof typeof STATUSES, text: string, path?: string): ApiRefusal {
  return new ApiRefusal({ status: STATUSES[code], code, text, path });
}

export function berlinBodyRefusal({ path, text }: BodyFault): ApiRefusal {
  return berlinRefusal('FORMAT_ERROR', text, path);
}

/** The authorization server would refuse the same details later. @throws the error that is no refusal of details */
export function berlinDetailRefusal(error: unknown): ApiRefusal {
  if (!isRefusal(error, 'ERR_AUTHORIZATION_DETAILS')) throw error;
  return berlinRefusal('FORMAT_ERROR', error.details.problem);
}

/** `tppMessages`. */
export function berlinErrorBody({ status, code, text, path }: RefusalFacts) {
  return {
    tppMessages: [
      {
        category: 'ERROR',
        code: code ?? messageCodeOf(status, text),
        text,
        ...(path === undefined || path === '' ? {} : { path }),
      },
    ],
  };
}

function messageCodeOf(status: number, text: string): string {
  const own = OWN_CODE.exec(text)?.[0];
  const [, named] = BY_OWN_CODE.find(([start]) => own?.startsWith(start)) ?? [];
  return named ?? BY_STATUS[status] ?? 'FORMAT_ERROR';
}
