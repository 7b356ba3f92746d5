import { ApiRefusal, type RefusalFacts } from '../api/api-refusal.ts';

const BY_STATUS: Readonly<Record<number, string>> = {
  401: 'invalid_token',
  403: 'insufficient_scope',
  404: 'not_found',
  500: 'server_error',
};

export function rarRefusal(status: number, code: string, text: string): ApiRefusal {
  return new ApiRefusal({ status, code, text });
}

/** The form of OAuth errors. */
export function rarErrorBody({ status, code, text }: RefusalFacts) {
  return { error: code ?? BY_STATUS[status] ?? 'invalid_request', error_description: text };
}
