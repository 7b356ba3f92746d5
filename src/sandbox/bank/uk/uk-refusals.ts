import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { ApiRefusal, type RefusalFacts } from '../api/api-refusal.ts';
import type { BodyFault } from '../api/request-body.ts';

/** Codes of the UK Read/Write API 4.0 (`OBExternalStatusReason1Code`), by the names that they had before. */
const UK_CODES = {
  unexpectedError: 'U000',
  fieldInvalid: 'U002',
  fieldInvalidDate: 'U003',
  fieldMissing: 'U004',
  fieldUnexpected: 'U005',
  headerInvalid: 'U006',
  headerMissing: 'U007',
  consentMismatch: 'U008',
  invalidConsentStatus: 'U009',
  invalidFormat: 'U010',
  notFound: 'U011',
  unsupportedCurrency: 'U023',
} as const;

const FAULTS = { missing: 'fieldMissing', unexpected: 'fieldUnexpected', invalid: 'fieldInvalid' } as const;
/** A refusal of our protection has its own code in its sentence. */
const OWN_CODE = /\bERR_[A-Z_]+\b/;

/** A refusal of the UK API. Nearly every one has the status 400. */
export function ukRefusal(code: keyof typeof UK_CODES, text: string, path?: string): ApiRefusal {
  return new ApiRefusal({ status: 400, code: UK_CODES[code], text, path });
}

/** A permission that the consent does not have, or an account that the customer did not choose. */
export function ukForbidden(text: string): ApiRefusal {
  return new ApiRefusal({ status: 403, code: UK_CODES.consentMismatch, text });
}

export function ukBodyRefusal({ kind, path, text }: BodyFault): ApiRefusal {
  return path === '' ? ukRefusal('invalidFormat', text) : ukRefusal(FAULTS[kind], text, path);
}

/** `OBErrorResponse1`. */
export function ukErrorBody({ status, text, path, code = codeOf(status, text) }: RefusalFacts) {
  return {
    Id: randomUUID(),
    Code: `${status} ${STATUS_CODES[status] ?? ''}`.trim(),
    Message: text,
    Errors: [{ ErrorCode: code, Message: text, ...(path === undefined ? {} : { Path: path }) }],
  };
}

function codeOf(status: number, text: string): string {
  const own = OWN_CODE.exec(text)?.[0];
  if (own !== undefined) return own;
  return status === 404
    ? UK_CODES.notFound
    : status >= 500
      ? UK_CODES.unexpectedError
      : UK_CODES.invalidFormat;
}
