import { z } from 'zod';
import { OpenBankingError } from '../../../errors.ts';
import type { ApprovalRequest, Approvals } from '../../customer/bank/decoupled-approval.ts';
import { type Operation, operation } from '../contract.ts';
import {
  accountIdsField,
  authTimeOf,
  instantField,
  loginFields,
  NOTHING,
  psuIdField,
  tppField,
} from './fields.ts';

const approvalIdField = z.string().min(1).max(128);
const byId = z.strictObject({ approvalId: approvalIdField });

const approvalSchema = z
  .object({
    approvalId: z.string(),
    psuId: z.string(),
    clientId: z.string(),
    tpp: tppField,
    scopes: z.array(z.string()),
    permissions: z
      .array(z.object({ title: z.string(), text: z.string() }))
      .meta({ description: 'The sentences of the consent page: show all of them.' }),
    needsAccounts: z.boolean().meta({ description: 'Whether the customer has to choose accounts.' }),
    bindingMessage: z.string().optional().meta({
      description: 'Shown at the TPP too: the customer compares both.',
    }),
    acrValues: z.array(z.string()),
    isAcrEssential: z.boolean().meta({ description: 'Whether an approval needs one of `acrValues`.' }),
    expiresAt: instantField.meta({ description: 'The end of the question.' }),
    consentUntil: instantField.meta({ description: 'The end of the access, if the customer allows it now.' }),
  })
  .meta({ id: 'Approval' });

const standingSchema = z
  .object({
    decision: z.enum(['approved', 'rejected']).meta({ description: 'The first one, which stays.' }),
    isFirst: z.boolean().meta({ description: 'Whether this request made it.' }),
  })
  .meta({ id: 'StandingDecision' });

const common = { part: 'approvals', query: NOTHING, status: 200, isIdempotent: false } as const;
const ANSWER_REFUSALS = ['ERR_APPROVAL_OVER', 'ERR_APPROVAL_INVALID'] as const;

const LIST = {
  ...common,
  method: 'get',
  path: '/v1/approvals',
  operationId: 'listApprovals',
  summary: 'The questions that wait for a customer, oldest first (OpenID CIBA)',
  params: NOTHING,
  query: z.strictObject({ psuId: psuIdField }),
  body: NOTHING,
  answer: z.object({ approvals: z.array(approvalSchema) }),
  refusals: [],
} as const;
const READ = {
  ...common,
  method: 'get',
  path: '/v1/approvals/{approvalId}',
  operationId: 'readApproval',
  summary: 'A question that waits for its answer',
  params: byId,
  body: NOTHING,
  answer: approvalSchema,
  refusals: ['ERR_APPROVAL_OVER'],
} as const;
const APPROVE = {
  ...common,
  method: 'post',
  path: '/v1/approvals/{approvalId}/approve',
  operationId: 'approve',
  summary: 'The customer allows the access',
  params: byId,
  body: z
    .strictObject({ accountIds: accountIdsField.default([]), ...loginFields })
    .meta({ id: 'ApprovalAnswer' }),
  answer: standingSchema,
  refusals: [...ANSWER_REFUSALS, 'ERR_AUTHENTICATION_UNMET'],
} as const;
const REJECT = {
  ...common,
  method: 'post',
  path: '/v1/approvals/{approvalId}/reject',
  operationId: 'reject',
  summary: 'The customer rejects the request',
  params: byId,
  body: NOTHING,
  answer: standingSchema,
  refusals: ['ERR_APPROVAL_OVER'],
} as const;

/** Questions to customers on a device (CIBA), and their answers. Without CIBA there is none. */
export function approvalOperations(approvals: Approvals | undefined): readonly Operation[] {
  const open = () => {
    if (approvals === undefined) throw over('CIBA is off');
    return approvals;
  };
  return [
    operation(LIST, async ({ query }) => ({
      approvals: ((await approvals?.waitingFor(query.psuId)) ?? []).map(viewOf),
    })),
    operation(READ, async ({ params }) => {
      const found = await open().find(params.approvalId);
      if (found === undefined) throw over('there is no such request');
      return viewOf(found);
    }),
    operation(APPROVE, ({ params, body }) => {
      const { accountIds, amr, acr } = body;
      return open().approve(params.approvalId, { accountIds, amr, acr, ...authTimeOf(body) });
    }),
    operation(REJECT, ({ params }) => open().reject(params.approvalId)),
  ];
}

function viewOf(request: ApprovalRequest): z.input<typeof approvalSchema> {
  const { scopes, permissions, acrValues, expiresAt, consentUntil } = request;
  return {
    ...request,
    scopes: [...scopes],
    permissions: [...permissions],
    acrValues: [...acrValues],
    expiresAt: expiresAt.toISOString(),
    consentUntil: consentUntil.toISOString(),
  };
}

function over(problem: string): OpenBankingError<'ERR_APPROVAL_OVER'> {
  return new OpenBankingError('ERR_APPROVAL_OVER', { problem });
}
