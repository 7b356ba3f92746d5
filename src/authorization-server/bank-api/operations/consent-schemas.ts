import { z } from 'zod';
import { CONSENT_REFERENCES } from '../../../consent/details/consent-reference.ts';
import { accountIdsField, detailsField, instantField } from './fields.ts';
import { viewSchema } from './view-schema.ts';

const statusField = z.enum([
  'awaiting-authorisation',
  'authorised',
  'rejected',
  'revoked',
  'expired',
  'consumed',
]);
const actorSchema = z
  .object({ kind: z.enum(['customer', 'tpp', 'bank', 'server']), id: z.string().optional() })
  .meta({ id: 'Actor', description: 'Who changed it. Of the bank: the name of the caller.' });

const changeFields = {
  at: instantField,
  from: statusField.optional(),
  to: statusField,
  by: actorSchema,
};

/** A consent, as the bank sees it. */
export const consentSchema = z
  .object({
    consentId: z.string(),
    status: statusField,
    reference: z.enum(CONSENT_REFERENCES).meta({ description: 'How the request names what it asks for.' }),
    clientId: z.string(),
    authorizationNumber: z.string(),
    requester: z
      .object({
        service: z.string(),
        legalName: z.string(),
        agent: z.string().optional(),
        purpose: z.string().optional(),
      })
      .optional()
      .meta({ description: 'The TPP, as the customer saw it at the approval.' }),
    details: detailsField,
    view: viewSchema,
    contentHash: z
      .string()
      .meta({ description: 'SHA-256 over client and details as they were asked for (RFC 8785).' }),
    scopes: z.array(z.string()),
    accountIds: accountIdsField,
    psuId: z.string().optional(),
    authentication: z
      .object({ amr: z.array(z.string()), acr: z.string().optional(), authTime: z.int() })
      .optional()
      .meta({ description: 'How the customer proved his identity for the approval.' }),
    lastUsedAt: instantField
      .optional()
      .meta({ description: 'The day on which the TPP last used it, by the first use of that day.' }),
    createdAt: instantField,
    statusChangedAt: instantField,
    expiresAt: instantField.meta({
      description: 'Until when it can be authorised; then the end of the access.',
    }),
    history: z
      .array(z.object({ ...changeFields, reason: z.string().optional() }))
      .meta({ description: 'Oldest first.' }),
  })
  .meta({ id: 'Consent' });

/** A change, as the feed has it. */
export const consentEventSchema = z
  .object({
    number: z.int().meta({ description: 'Grows with each change of all consents.' }),
    consentId: z.string(),
    ...changeFields,
    reason: z.string().optional(),
  })
  .meta({ id: 'ConsentEvent' });
