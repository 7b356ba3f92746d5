import { randomUUID } from 'node:crypto';
import type Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { z } from 'zod';
import type { Consent } from '../../../index.ts';
import { authorizationOf, koaProtection } from '../../../resource-server/index.ts';
import { ApiRefusal, type RefusalFacts, refusalsBelow } from '../api/api-refusal.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { textsOf } from '../api/consented-access.ts';
import { jsonBody, readBody } from '../api/request-body.ts';

export const BRAZIL_BASE = '/open-banking/consents/v3';
const REFERENCE = 'open-finance-brasil';

/** The kinds of data of each permission that this bank has. Permissions for products that it does not offer are left out. */
const ACTIONS = {
  ACCOUNTS_READ: ['list_accounts', 'read_account_details'],
  ACCOUNTS_BALANCES_READ: ['read_balances'],
  ACCOUNTS_TRANSACTIONS_READ: ['read_transactions'],
} as const;
type Permission = keyof typeof ACTIONS;

const STATUSES = {
  'awaiting-authorisation': 'AWAITING_AUTHORISATION',
  authorised: 'AUTHORISED',
  consumed: 'AUTHORISED',
  rejected: 'REJECTED',
  revoked: 'REJECTED',
  expired: 'REJECTED',
} as const satisfies Record<Consent['status'], string>;

const party = z.strictObject({
  document: z.strictObject({
    identification: z.string().regex(/^\d{11}(\d{3})?$/),
    rel: z.enum(['CPF', 'CNPJ']),
  }),
});
const request = z.strictObject({
  data: z.strictObject({
    loggedUser: party,
    businessEntity: party.optional(),
    permissions: z
      .array(z.string().regex(/^[A-Z_]{1,70}$/))
      .min(1)
      .max(60),
    expirationDateTime: z.iso.datetime(),
  }),
});

/** Consents of Open Finance Brasil (consents API 3): staged by the TPP, authorised by the customer at the authorization server. */
export function brazilConsents(router: Router, parts: BankParts): Middleware {
  const protection = koaProtection(parts.protection, { scopes: ['consents'], roles: ['PSP_AI'] });
  const url = `${BRAZIL_BASE}/consents`;
  router.post(url, protection, jsonBody, async (ctx) => {
    const consent = await stage(ctx, parts);
    ctx.status = 201;
    ctx.body = answer(parts, consent);
  });
  router.get(`${url}/:id`, protection, async (ctx) => {
    ctx.body = answer(parts, await consentOfTpp(ctx, parts));
  });
  router.delete(`${url}/:id`, protection, async (ctx) => {
    const { consentId } = await consentOfTpp(ctx, parts);
    const { authorizationNumber } = authorizationOf(ctx);
    await parts.consents.revoke(consentId, { by: { kind: 'tpp', id: authorizationNumber } });
    ctx.status = 204;
  });
  return refusalsBelow(BRAZIL_BASE, { form: errorBody, log: parts.log });
}

async function stage(ctx: Context, { consents, clock }: BankParts): Promise<Consent> {
  const read = readBody(ctx, request);
  if ('fault' in read) throw refusal('PARAMETRO_INVALIDO', read.fault.text);
  const { permissions: asked, expirationDateTime } = read.value.data;
  const expiresAt = new Date(expirationDateTime);
  if (expiresAt <= clock.now()) throw refusal('DATA_EXPIRACAO_INVALIDA', 'the expiration is over');
  const permissions = asked.filter((one): one is Permission => Object.hasOwn(ACTIONS, one));
  if (!permissions.includes('ACCOUNTS_READ')) {
    throw refusal('COMBINACAO_PERMISSOES_INCORRETA', 'this bank has accounts: ACCOUNTS_READ is needed');
  }
  const { clientId, authorizationNumber = '' } = authorizationOf(ctx);
  const actions = [...new Set(permissions.flatMap((one) => ACTIONS[one]))];
  return consents.create({
    consentId: `urn:demobank:${randomUUID()}`,
    reference: REFERENCE,
    ...{ clientId, authorizationNumber, expiresAt },
    details: [{ type: 'account_information', actions, permissions, validUntil: expirationDateTime }],
    by: { kind: 'tpp', id: authorizationNumber },
  });
}

/** A consent of the calling TPP. One of another TPP is unknown. */
async function consentOfTpp(ctx: Context, { consents }: BankParts): Promise<Consent> {
  const consent = await consents.find(String(ctx.params.id));
  if (consent?.reference === REFERENCE && consent.clientId === authorizationOf(ctx).clientId) return consent;
  throw new ApiRefusal({ status: 404, text: 'there is no such consent' });
}

function answer({ origin, clock }: BankParts, consent: Consent) {
  const { consentId, createdAt, status, statusChangedAt, details } = consent;
  const [detail] = details;
  return {
    data: {
      consentId,
      creationDateTime: seconds(createdAt),
      status: STATUSES[status],
      statusUpdateDateTime: seconds(statusChangedAt),
      permissions: textsOf(detail?.permissions),
      expirationDateTime: detail?.validUntil,
    },
    links: { self: `${origin}${BRAZIL_BASE}/consents/${consentId}` },
    meta: { totalRecords: 1, totalPages: 1, requestDateTime: seconds(clock.now()) },
  };
}

/** The date-times of this API have no fractions of seconds. */
function seconds(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

function refusal(code: string, text: string): ApiRefusal {
  return new ApiRefusal({ status: 422, code, text });
}

function errorBody({ status, code, text }: RefusalFacts) {
  return { errors: [{ code: code ?? String(status), title: text, detail: text }] };
}
