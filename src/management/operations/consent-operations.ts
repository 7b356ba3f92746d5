import { z } from 'zod';
import type { ConsentUses } from '../../consent/consent-uses.ts';
import { type Consent, consentIdOf } from '../../consent/consent.ts';
import type { Consents } from '../../consent/consents.ts';
import { CONSENT_REFERENCES } from '../../consent/details/consent-reference.ts';
import { OpenBankingError } from '../../errors.ts';
import { assertMay, mayDo, type Operator } from '../operators/operator.ts';
import { changing, none, reading } from './contract.ts';
import { afterOf, clientIdField, instantField, nextField, pageFields, tppField } from './fields.ts';

export interface ConsentParts {
  readonly consents: Pick<Consents, 'find' | 'listOfCustomer' | 'pageOfTpp' | 'pageOfClient' | 'revoke'>;
  readonly consentUses: Pick<ConsentUses, 'lastUseOf'>;
}

const statusField = z.enum([
  'awaiting-authorisation',
  'authorised',
  'rejected',
  'revoked',
  'expired',
  'consumed',
]);

export const consentViewSchema = z
  .object({
    consentId: z.string(),
    status: statusField,
    reference: z.enum(CONSENT_REFERENCES),
    clientId: z.string(),
    authorizationNumber: z.string(),
    service: z.string().optional().meta({ description: 'The TPP, as the customer saw it.' }),
    customer: z.string().optional().meta({ description: 'Shown to `support` only.' }),
    scopes: z.array(z.string()),
    details: z.array(z.looseObject({ type: z.string() })).meta({ description: 'In the form of RFC 9396.' }),
    accounts: z.int().meta({ description: 'Accounts that the customer chose.' }),
    createdAt: instantField,
    statusChangedAt: instantField,
    expiresAt: instantField,
    lastUsedAt: instantField.optional(),
    history: z.array(
      z.object({
        at: instantField,
        from: statusField.optional(),
        to: statusField,
        by: z.object({ kind: z.enum(['customer', 'tpp', 'bank', 'server']), id: z.string().optional() }),
        reason: z.string().optional(),
      }),
    ),
  })
  .meta({ id: 'Consent' });
export type ConsentView = z.infer<typeof consentViewSchema>;

const params = z.strictObject({ consentId: z.string().min(1).max(256) });

/** Consents and the grants that carry them out: found, ended. */
export function consentOperations(parts: ConsentParts) {
  return {
    searchConsents: search(parts),
    readConsent: reading(
      {
        part: 'consents',
        operationId: 'readConsent',
        path: '/v1/consents/{consentId}',
        right: 'view',
        summary: 'A consent, by its identifier or by that of its grant',
        params,
        answer: consentViewSchema,
        isVersioned: true,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND'],
      },
      async ({ params: { consentId }, operator }) => viewOf(parts, await found(parts, consentId), operator),
    ),
    endConsent: changing(
      {
        part: 'consents',
        operationId: 'endConsent',
        path: '/v1/consents/{consentId}/end',
        right: 'consents',
        summary: 'End a consent with its grant and every token',
        params,
        body: {},
        answer: consentViewSchema,
        refusals: ['ERR_MANAGEMENT_NOT_FOUND', 'ERR_CONSENT_STATUS'],
      },
      {
        schema: consentViewSchema,
        find: async ({ params: { consentId }, operator }) => {
          const record = await found(parts, consentId);
          return { shown: await viewOf(parts, record, operator), record };
        },
      },
      async ({ body: { reason }, operator }, { consentId, status }) => {
        if (status !== 'authorised' && status !== 'awaiting-authorisation') {
          throw new OpenBankingError('ERR_CONSENT_STATUS', { consentId, status });
        }
        const by = { by: { kind: 'bank', id: operator.name }, reason } as const;
        const ended = await parts.consents.revoke(consentId, by);
        if (ended === undefined) throw unknown(consentId);
        return viewOf(parts, ended, operator);
      },
    ),
  };
}

/** By POST, since an address would keep the name of a customer in histories and logs. */
function search(parts: ConsentParts) {
  const { consents } = parts;
  return reading(
    {
      part: 'consents',
      operationId: 'searchConsents',
      method: 'post',
      path: '/v1/consents/search',
      right: 'view',
      summary: 'Consents of a TPP, a client or a customer, in pages; by customer for `support` only',
      params: none,
      body: z
        .strictObject({
          ...pageFields,
          tpp: tppField.optional(),
          client: clientIdField.optional(),
          customer: z.string().min(1).max(255).optional().meta({ description: 'The `sub` of tokens.' }),
        })
        .refine(({ tpp, client, customer }) => [tpp, client, customer].filter(Boolean).length === 1, {
          error: 'exactly one of tpp, client and customer must be set',
        }),
      answer: z.object({ consents: z.array(consentViewSchema), next: nextField }),
    },
    async ({ body: { tpp, client, customer, ...page }, operator }) => {
      const views = (list: readonly Consent[]) =>
        Promise.all(list.map((one) => viewOf(parts, one, operator)));
      if (customer !== undefined) {
        assertMay(operator, 'consents');
        const all = await consents.listOfCustomer(customer);
        const start = page.after === undefined ? 0 : all.findIndex((one) => one.consentId === page.after) + 1;
        const chosen = all.slice(start, start + page.limit);
        const isLast = start + page.limit >= all.length;
        const next = isLast ? undefined : chosen.at(-1)?.consentId;
        return { consents: await views(chosen), ...(next === undefined ? {} : { next }) };
      }
      const found =
        tpp === undefined
          ? await consents.pageOfClient(client ?? '', afterOf(page))
          : await consents.pageOfTpp(tpp, afterOf(page));
      const { next } = found;
      return { consents: await views(found.consents), ...(next === undefined ? {} : { next }) };
    },
  );
}

/** @throws ERR_MANAGEMENT_NOT_FOUND */
async function found({ consents }: ConsentParts, id: string): Promise<Consent> {
  const consent = await consents.find(consentIdOf(id));
  if (consent === undefined) throw unknown(id);
  return consent;
}

async function viewOf(
  { consentUses }: ConsentParts,
  consent: Consent,
  operator: Operator,
): Promise<ConsentView> {
  const { consentId, psuId, requester } = consent;
  const lastUse = await consentUses.lastUseOf(consentId);
  return {
    consentId,
    status: consent.status,
    reference: consent.reference,
    clientId: consent.clientId,
    authorizationNumber: consent.authorizationNumber,
    ...(requester === undefined ? {} : { service: requester.service }),
    ...(psuId === undefined || !mayDo(operator, 'consents') ? {} : { customer: psuId }),
    scopes: [...consent.scopes],
    details: mayDo(operator, 'consents') ? consent.details.map((one) => ({ ...one })) : typesOf(consent),
    accounts: consent.accountIds.length,
    createdAt: consent.createdAt.toISOString(),
    statusChangedAt: consent.statusChangedAt.toISOString(),
    expiresAt: consent.expiresAt.toISOString(),
    ...(lastUse === undefined ? {} : { lastUsedAt: lastUse.toISOString() }),
    history: consent.history.map(({ number: _number, ...change }) => ({ ...change, by: { ...change.by } })),
  };
}

/** Without the accounts and payees, which are the customer's. */
function typesOf({ details }: Consent): { readonly type: string }[] {
  return details.map(({ type }) => ({ type }));
}

function unknown(id: string): OpenBankingError {
  return new OpenBankingError('ERR_MANAGEMENT_NOT_FOUND', { kind: 'consent', id });
}
