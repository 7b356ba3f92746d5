import { z } from 'zod';
import { OpenBankingError } from '../../../errors.ts';
import type { ConfirmationRequest, Confirmations } from '../../customer/bank/strong-authentication.ts';
import { type Operation, operation } from '../contract.ts';
import { detailsField, instantField, loginFields, NOTHING, psuIdField, tppField } from './fields.ts';

const byId = z.strictObject({ confirmationId: z.string().min(1).max(128) });

const confirmationSchema = z
  .object({
    confirmationId: z.string(),
    psuId: z.string(),
    tpp: tppField.optional().meta({ description: 'Absent: the customer opens pages of the bank.' }),
    scopes: z.array(z.string()),
    details: detailsField,
    payments: z
      .array(
        z.object({
          amount: z.object({ currency: z.string(), amount: z.string() }),
          payee: z.string(),
          payeeAccount: z.string().optional(),
        }),
      )
      .meta({ description: 'Amount and payee of each payment: show all of them.' }),
    linkHash: z.string(),
    comparison: z.string().meta({ description: 'Two digits that the page shows too.' }),
    uiLocales: z.array(z.string()),
    expiresAt: instantField,
  })
  .meta({ id: 'Confirmation' });
const standingSchema = z.object({
  answer: z.enum(['confirmed', 'rejected']).meta({ description: 'The first one, which stays.' }),
});

const common = { part: 'approvals', query: NOTHING, status: 200, isIdempotent: false } as const;
const OVER = ['ERR_APPROVAL_OVER'] as const;

const LIST = {
  ...common,
  method: 'get',
  path: '/v1/confirmations',
  operationId: 'listConfirmations',
  summary:
    "The questions in the bank's app that wait for a customer, as an element of the login on our pages",
  params: NOTHING,
  query: z.strictObject({ psuId: psuIdField }),
  body: NOTHING,
  answer: z.object({ confirmations: z.array(confirmationSchema) }),
  refusals: [],
} as const;
const READ = {
  ...common,
  method: 'get',
  path: '/v1/confirmations/{confirmationId}',
  operationId: 'readConfirmation',
  summary: 'A question that waits for its answer',
  params: byId,
  body: NOTHING,
  answer: confirmationSchema,
  refusals: OVER,
} as const;
const CONFIRM = {
  ...common,
  method: 'post',
  path: '/v1/confirmations/{confirmationId}/confirm',
  operationId: 'confirm',
  summary: 'The customer confirms the request that the app has shown',
  params: byId,
  body: z.strictObject({
    amr: loginFields.amr,
    linkHash: z.string().min(1).max(128).meta({ description: 'Of the request that the app has shown.' }),
  }),
  answer: standingSchema,
  refusals: [...OVER, 'ERR_APPROVAL_INVALID'],
} as const;
const REJECT = {
  ...common,
  method: 'post',
  path: '/v1/confirmations/{confirmationId}/reject',
  operationId: 'rejectConfirmation',
  summary: 'The customer rejects the request',
  params: byId,
  body: NOTHING,
  answer: standingSchema,
  refusals: OVER,
} as const;

/** Questions in the bank's app that are one element of a login on our pages. Without `sca` there is none. */
export function confirmationOperations(confirmations: Confirmations | undefined): readonly Operation[] {
  const open = () => {
    if (confirmations === undefined) throw over('sca is off');
    return confirmations;
  };
  return [
    operation(LIST, async ({ query }) => ({
      confirmations: ((await confirmations?.waitingFor(query.psuId)) ?? []).map(viewOf),
    })),
    operation(READ, async ({ params }) => {
      const found = await open().find(params.confirmationId);
      if (found === undefined) throw over('there is no such question');
      return viewOf(found);
    }),
    operation(CONFIRM, async ({ params, body }) => ({
      answer: await open().confirm(params.confirmationId, body),
    })),
    operation(REJECT, async ({ params }) => ({ answer: await open().reject(params.confirmationId) })),
  ];
}

function viewOf(request: ConfirmationRequest) {
  return { ...request, expiresAt: request.expiresAt.toISOString() };
}

function over(problem: string): OpenBankingError<'ERR_APPROVAL_OVER'> {
  return new OpenBankingError('ERR_APPROVAL_OVER', { problem });
}
