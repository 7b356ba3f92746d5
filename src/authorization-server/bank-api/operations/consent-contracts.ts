import { z } from 'zod';
import { consentSchema } from './consent-schemas.ts';
import { cursorField, detailsField, instantField, languageField, NOTHING, psuIdField } from './fields.ts';

const consentIdField = z
  .string()
  .min(1)
  .max(128)
  .meta({ description: 'Letters, digits, `:`, `.`, `_` and `-`.' });
const byId = z.strictObject({ consentId: consentIdField });
const reason = z.string().min(1).max(300).optional().meta({
  description: 'A sentence for the history, which the customer reads. No personal data.',
});
const attributed = z.strictObject({ reason }).meta({ id: 'Attribution' });
const MAX_PAGE = 100;

const common = { part: 'consents', query: NOTHING, status: 200, isIdempotent: false } as const;
const UNKNOWN = ['ERR_CONSENT_UNKNOWN'] as const;
const NOT_ANY_MORE = [...UNKNOWN, 'ERR_CONSENT_STATUS'] as const;
const CONTENT = ['ERR_AUTHORIZATION_DETAILS', 'ERR_CONSENT_INVALID'] as const;

export const CREATE_CONSENT = {
  ...common,
  method: 'post',
  path: '/v1/consents',
  operationId: 'createConsent',
  summary: 'Makes a consent that waits for its customer: an intent, which a TPP then names in its request',
  params: NOTHING,
  body: z
    .strictObject({
      consentId: consentIdField.optional().meta({ description: 'Default: a new one.' }),
      reference: z
        .enum(['openbanking_intent_id', 'berlin-group', 'open-finance-brasil'])
        .meta({ description: 'How the request of the TPP will name it.' }),
      clientId: z.string().min(1).max(128),
      details: detailsField.min(1),
      psuId: psuIdField.optional().meta({ description: 'The only customer who may authorise it.' }),
      expiresAt: instantField.meta({ description: 'Until when a customer may authorise it.' }),
    })
    .meta({ id: 'AskedConsent' }),
  status: 201,
  answer: consentSchema,
  isIdempotent: true,
  refusals: ['ERR_CONSENT_STATUS', ...CONTENT],
} as const;

export const READ_CONSENT = {
  ...common,
  method: 'get',
  path: '/v1/consents/{consentId}',
  operationId: 'readConsent',
  summary: 'A consent, whatever its status, until two years after its end',
  params: byId,
  query: z.strictObject({ language: languageField }),
  body: NOTHING,
  answer: consentSchema,
  refusals: UNKNOWN,
} as const;

export const LIST_CONSENTS = {
  ...common,
  method: 'get',
  path: '/v1/consents',
  operationId: 'listConsents',
  summary:
    'The consents of a customer (the latest first), or of a TPP or one of its clients: exactly one of the three',
  params: NOTHING,
  query: z
    .strictObject({
      psuId: psuIdField.optional(),
      authorizationNumber: z.string().min(1).max(128).optional(),
      clientId: z.string().min(1).max(128).optional(),
      after: cursorField.optional(),
      limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(50),
      language: languageField,
    })
    .refine(
      ({ psuId, authorizationNumber, clientId }) =>
        [psuId, authorizationNumber, clientId].filter((one) => one !== undefined).length === 1,
      { error: 'must have one of psuId, authorizationNumber and clientId' },
    ),
  body: NOTHING,
  answer: z
    .object({
      consents: z.array(consentSchema),
      next: z.string().optional().meta({ description: 'Absent: this was the last page.' }),
    })
    .meta({ id: 'ConsentPage' }),
  refusals: [],
} as const;

export const CHANGE_CONSENT = {
  ...common,
  method: 'patch',
  path: '/v1/consents/{consentId}',
  operationId: 'changeConsent',
  summary: 'Another content of a consent that waits: whatever a customer has seen of it is void',
  params: byId,
  body: z
    .strictObject({ details: detailsField.min(1), expiresAt: instantField.optional(), reason })
    .meta({ id: 'ChangedConsent' }),
  answer: consentSchema,
  refusals: [...NOT_ANY_MORE, ...CONTENT],
} as const;

export const REJECT_CONSENT = {
  ...common,
  method: 'post',
  path: '/v1/consents/{consentId}/reject',
  operationId: 'rejectConsent',
  summary: 'Ends a consent that waits',
  params: byId,
  body: attributed,
  answer: consentSchema,
  refusals: NOT_ANY_MORE,
} as const;

export const REVOKE_CONSENT = {
  ...common,
  method: 'post',
  path: '/v1/consents/{consentId}/revoke',
  operationId: 'revokeConsent',
  summary: 'Ends a consent with every token of it; a consent that is over stays as it is',
  params: byId,
  body: attributed,
  answer: consentSchema,
  refusals: UNKNOWN,
} as const;

export const CONSUME_CONSENT = {
  ...common,
  method: 'post',
  path: '/v1/consents/{consentId}/consume',
  operationId: 'consumeConsent',
  summary: 'Marks what was allowed once as carried out. Carry it out after `isFirst` only',
  params: byId,
  body: attributed,
  answer: z.object({
    isFirst: z.boolean().meta({ description: 'True in the answer to exactly one request.' }),
    consent: consentSchema,
  }),
  refusals: UNKNOWN,
} as const;
