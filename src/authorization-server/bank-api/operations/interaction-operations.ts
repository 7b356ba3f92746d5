import { z } from 'zod';
import type { BankInteraction, BankInteractions } from '../../customer/bank-app/bank-interactions.ts';
import { loginHintOf, uiLocalesOf } from '../../customer/authentication/hints.ts';
import { serviceOf } from '../../customer/consent/requester.ts';
import { consentView } from '../../customer/pages/consent-view/consent-view.ts';
import type { Languages } from '../../customer/pages/words/languages.ts';
import { type Operation, operation } from '../contract.ts';
import {
  accountIdsField,
  authTimeOf,
  detailsField,
  instantField,
  languageField,
  loginFields,
  NOTHING,
  psuIdField,
  tppField,
} from './fields.ts';
import { viewSchema } from './view-schema.ts';

const idField = z.string().min(1).max(128);
const byId = z.strictObject({ interactionId: idField });
const language = z.strictObject({ language: languageField });
const linkHashField = z.string().min(1).max(128).meta({
  description:
    'The `linkHash` of the interaction, as it was when the customer saw the request. It has changed when the request has.',
});

const interactionSchema = z
  .object({
    interactionId: z.string().meta({ description: 'For the further requests. Never show it to a browser.' }),
    stage: z.enum(['opened', 'authenticated', 'approved', 'rejected']),
    tpp: tppField,
    clientId: z.string(),
    view: viewSchema,
    details: detailsField,
    scopes: z.array(z.string()),
    claims: z.object({ idToken: z.array(z.string()), userinfo: z.array(z.string()) }).meta({
      description: 'Names of the claims about the customer that the TPP asks for.',
    }),
    consentId: z.string().optional().meta({ description: 'The consent that the request names.' }),
    linkHash: z.string().meta({
      description:
        'Link every factor of the authentication to it (RTS article 5): it stands for client, details, scopes and claims.',
    }),
    isPayment: z.boolean().meta({ description: 'Whether amount and payee must be shown in every step.' }),
    isRenewal: z.boolean().meta({ description: 'Whether the customer has allowed this access before.' }),
    needsAccounts: z
      .enum(['none', 'one', 'many'])
      .meta({ description: 'How many accounts the customer has to choose.' }),
    psuId: z.string().optional().meta({ description: 'The only customer who may approve.' }),
    acrValues: z
      .array(z.string())
      .meta({ description: 'Authentication contexts that are asked for, the preferred first.' }),
    isAcrEssential: z.boolean().meta({ description: 'Whether the login must reach one of `acrValues`.' }),
    maxAgeSeconds: z
      .int()
      .optional()
      .meta({ description: 'How long ago the customer may have proved his identity.' }),
    loginHint: z
      .string()
      .optional()
      .meta({ description: "The TPP's guess at the customer's name. Never a proof." }),
    uiLocales: z.array(z.string()),
    consentUntil: instantField.meta({ description: 'The end of the access, if the customer allows it now.' }),
    expiresAt: instantField.meta({ description: 'Until when the customer may decide.' }),
  })
  .meta({ id: 'Interaction' });
const wayBackSchema = z
  .object({
    returnUrl: z.url().meta({
      description:
        'Where to send the browser of the customer with 303, and no other browser: the address completes the authorization.',
    }),
  })
  .meta({ id: 'WayBack' });

const common = { part: 'interactions', query: NOTHING, status: 200, isIdempotent: false } as const;
const OVER = ['ERR_BANK_INTERACTION_OVER', 'ERR_TPP_NOT_AUTHORIZED', 'ERR_CONSENT_STATUS'] as const;

const OPEN = {
  ...common,
  method: 'post',
  path: '/v1/interactions',
  operationId: 'openInteraction',
  summary: 'Exchanges the handle that the browser has brought, once',
  params: NOTHING,
  query: language,
  body: z.strictObject({ handle: idField }).meta({ id: 'Handle' }),
  answer: interactionSchema,
  refusals: ['ERR_BANK_HANDLE', ...OVER],
} as const;
const READ = {
  ...common,
  method: 'get',
  path: '/v1/interactions/{interactionId}',
  operationId: 'readInteraction',
  summary: 'What is asked, by whom, and what must be shown and linked',
  params: byId,
  query: language,
  body: NOTHING,
  answer: interactionSchema,
  refusals: OVER,
} as const;
const ATTEMPT = {
  ...common,
  method: 'post',
  path: '/v1/interactions/{interactionId}/attempts',
  operationId: 'beginAttempt',
  summary: 'Counts an attempt to authenticate, before the bank judges it',
  params: byId,
  body: z.strictObject({
    customerName: z
      .string()
      .min(1)
      .max(128)
      .meta({ description: 'As the customer typed it: attempts are counted by it, for all interactions.' }),
  }),
  answer: z.object({
    isLast: z
      .boolean()
      .meta({ description: 'Whether no further attempt is left, unless this one succeeds.' }),
  }),
  refusals: ['ERR_BANK_ATTEMPTS', 'ERR_BANK_INTERACTION_STEP', ...OVER],
} as const;
const AUTHENTICATE = {
  ...common,
  method: 'post',
  path: '/v1/interactions/{interactionId}/authentication',
  operationId: 'authenticate',
  summary: 'The customer has proved his identity',
  params: byId,
  body: z
    .strictObject({
      psuId: psuIdField,
      ...loginFields,
      linkHash: linkHashField,
      isExempted: z.boolean().default(false).meta({
        description:
          'The bank applies no strong customer authentication to this access to accounts (RTS article 10a). Refused for payments, for the first access of a TPP, and after 180 days.',
      }),
    })
    .meta({ id: 'Authentication' }),
  answer: interactionSchema,
  refusals: [
    'ERR_BANK_INTERACTION_STEP',
    'ERR_CONSENT_CHANGED',
    'ERR_CONSENT_CUSTOMER',
    'ERR_AUTHENTICATION_UNMET',
    'ERR_ASPSP_ANSWER',
    ...OVER,
  ],
} as const;
const DECIDE = {
  ...common,
  method: 'post',
  path: '/v1/interactions/{interactionId}/decision',
  operationId: 'decide',
  summary: 'The customer has decided: the first decision stays',
  params: byId,
  body: z
    .discriminatedUnion('decision', [
      z.strictObject({
        decision: z.literal('approve'),
        accountIds: accountIdsField.default([]),
        linkHash: linkHashField,
      }),
      z.strictObject({ decision: z.literal('reject') }),
    ])
    .meta({ id: 'Decision' }),
  answer: wayBackSchema,
  refusals: ['ERR_BANK_INTERACTION_STEP', 'ERR_CONSENT_CHANGED', ...OVER],
} as const;

/** Login and consent in the application of the bank. Without `bankApp` there is no interaction to open. */
export function interactionOperations(parts: {
  readonly interactions: BankInteractions;
  readonly languages: Languages;
}): readonly Operation[] {
  const { interactions, languages } = parts;
  const shown = (one: BankInteraction, wished?: string) => viewOf(one, languages, wished);
  return [
    operation(OPEN, async ({ body, query }) => shown(await interactions.open(body.handle), query.language)),
    operation(READ, async ({ params, query }) =>
      shown(await interactions.find(params.interactionId), query.language),
    ),
    operation(ATTEMPT, ({ params, body }) =>
      interactions.beginAttempt(params.interactionId, body.customerName),
    ),
    operation(AUTHENTICATE, async ({ params, body }) => {
      const { psuId, amr, acr, linkHash, isExempted } = body;
      const reported = { psuId, amr, acr, linkHash, isExempted, ...authTimeOf(body) };
      return shown(await interactions.authenticate(params.interactionId, reported));
    }),
    operation(DECIDE, ({ params, body }) =>
      body.decision === 'approve'
        ? interactions.approve(params.interactionId, body)
        : interactions.reject(params.interactionId),
    ),
  ];
}

function viewOf(one: BankInteraction, languages: Languages, wished?: string) {
  const { asked, client, tpp, params, requirements } = one;
  const uiLocales = uiLocalesOf(params);
  const words = languages.preferred({ uiLocales: wished === undefined ? uiLocales : [wished, ...uiLocales] });
  const claims = [...new Set([...asked.claims.idToken, ...asked.claims.userinfo])];
  return {
    interactionId: one.interactionId,
    stage: one.stage,
    tpp: {
      service: serviceOf({ client, tpp }),
      legalName: tpp.legalName,
      authorizationNumber: tpp.authorizationNumber,
    },
    clientId: client.clientId,
    view: consentView({ details: asked.details, scopes: asked.scopes, claims }, words),
    details: asked.details,
    scopes: asked.scopes,
    claims: asked.claims,
    consentId: asked.consent?.consentId,
    linkHash: asked.linkHash,
    isPayment: asked.isPayment,
    isRenewal: asked.isRenewal,
    needsAccounts: one.needsAccounts,
    psuId: asked.customer,
    acrValues: requirements.acrValues,
    isAcrEssential: requirements.isAcrEssential,
    maxAgeSeconds: requirements.maxAgeSeconds,
    loginHint: loginHintOf(params),
    uiLocales,
    consentUntil: asked.expiresAt.toISOString(),
    expiresAt: one.expiresAt.toISOString(),
  };
}
