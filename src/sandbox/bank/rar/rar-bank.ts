import type Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { z } from 'zod';
import type { Consent } from '../../../index.ts';
import { authorizationOf, type Covers, koaProtection } from '../../../resource-server/index.ts';
import { refusalsBelow } from '../api/api-refusal.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { ConsentedAccess, paymentOf } from '../api/consented-access.ts';
import type { PaymentOrder } from '../api/payment-orders.ts';
import { RepeatedRequests } from '../api/repeated-requests.ts';
import { jsonBody, readBody } from '../api/request-body.ts';
import { sameJson } from '../api/same-json.ts';
import type { BankAccount } from '../ledger.ts';
import { rarErrorBody, rarRefusal } from './rar-refusals.ts';

export const RAR_BASE = '/rar/v1';
const SCOPES = { PSP_AI: 'accounts', PSP_PI: 'payments' } as const;
const REFERENCE = 'authorization_details';
const IDEMPOTENCY_KEY = 'idempotency-key';
const MAX_KEY_LENGTH = 64;

/** A payment is what the customer approved, member by member: which members there are is not decided here. */
const paymentRequest = z.looseObject({ type: z.literal('payment_initiation') });

/** Accounts and payments of a bank whose consents are authorization details and nothing else (RFC 9396). */
export function rarBank(router: Router, parts: BankParts): Middleware {
  const repeated = new RepeatedRequests();
  const needs = (role: keyof typeof SCOPES, covers?: Covers<Context>) =>
    koaProtection(parts.protection, {
      ...{ scopes: [SCOPES[role]], roles: [role] },
      ...(covers && { covers }),
    });
  const account = (ctx: Context) => ctx.params.id;
  const accessOf = async (ctx: Context) => new ConsentedAccess(await consentOf(ctx, parts), parts.ledger);

  router.get(`${RAR_BASE}/accounts`, needs('PSP_AI', { permissions: ['list_accounts'] }), async (ctx) => {
    const access = await accessOf(ctx);
    const listed = access.accounts().filter((account) => access.allows('list_accounts', account));
    ctx.body = { accounts: listed.map((account) => accountOf(access, account)) };
  });
  router.get(
    `${RAR_BASE}/accounts/:id/balances`,
    needs('PSP_AI', { account, permissions: ['read_balances'] }),
    async (ctx) => {
      const { balance, currency } = permitted(await accessOf(ctx), 'read_balances', ctx);
      ctx.body = { balances: [{ currency, amount: balance }] };
    },
  );
  router.get(
    `${RAR_BASE}/accounts/:id/transactions`,
    needs('PSP_AI', { account, permissions: ['read_transactions'] }),
    async (ctx) => {
      const { bookings, currency } = permitted(await accessOf(ctx), 'read_transactions', ctx);
      ctx.body = { transactions: bookings.map((booking) => ({ ...booking, currency })) };
    },
  );
  router.post(`${RAR_BASE}/payments`, needs('PSP_PI'), jsonBody, async (ctx) => {
    const asked = readBody(ctx, paymentRequest);
    if ('fault' in asked) throw rarRefusal(400, 'invalid_request', asked.fault.text);
    const key = ctx.get(IDEMPOTENCY_KEY);
    if (key === '' || key.length > MAX_KEY_LENGTH) {
      throw rarRefusal(400, 'invalid_request', `Idempotency-Key has 1 to ${MAX_KEY_LENGTH} characters`);
    }
    const { clientId } = authorizationOf(ctx);
    const { body } = ctx.request;
    const answer = await repeated.answerTo({ caller: clientId, route: ctx.path, key, body }, async () => {
      const consent = await consentOf(ctx, parts);
      assertApproved(consent, asked.value);
      const order = await parts.orders.execute(consent);
      if (order === undefined) throw rarRefusal(409, 'consent_used', 'the payment was carried out before');
      return { status: 201, body: paymentAnswer(order) };
    });
    if (answer === undefined) throw rarRefusal(422, 'invalid_request', 'this key came with another body');
    ctx.status = answer.status;
    ctx.body = answer.body;
  });
  router.get(`${RAR_BASE}/payments/:id`, needs('PSP_PI'), (ctx) => {
    const order = parts.orders.find(String(ctx.params.id));
    if (order?.clientId !== authorizationOf(ctx).clientId) {
      throw rarRefusal(404, 'not_found', 'there is no such payment');
    }
    ctx.body = paymentAnswer(order);
  });
  return refusalsBelow(RAR_BASE, { form: rarErrorBody, log: parts.log });
}

/** The consent of the token, which is authorised now and was asked for by authorization details. */
async function consentOf(ctx: Context, { consents }: BankParts): Promise<Consent> {
  const { consentId } = authorizationOf(ctx);
  const consent = consentId === undefined ? undefined : await consents.find(consentId);
  if (consent?.reference !== REFERENCE) {
    throw rarRefusal(403, 'insufficient_scope', 'the token has no authorization details');
  }
  if (consent.status === 'authorised') return consent;
  throw rarRefusal(403, 'consent_ended', `the consent has the status ${consent.status}`);
}

function permitted(access: ConsentedAccess, action: string, ctx: Context): BankAccount {
  const account = access.account(String(ctx.params.id));
  if (account === undefined) throw rarRefusal(404, 'not_found', 'the customer has not chosen this account');
  if (!access.allows(action, account)) throw forbidden(action);
  return account;
}

function forbidden(action: string) {
  return rarRefusal(403, 'insufficient_scope', `the customer has not consented to ${action}`);
}

function accountOf(access: ConsentedAccess, account: BankAccount) {
  const { accountId, name, iban, currency } = account;
  const details = access.allows('read_account_details', account) ? { iban } : {};
  return { accountId, name, currency, ...details };
}

/** Proves that a payment is the one that the customer approved, in every member. */
function assertApproved(consent: Consent, asked: Readonly<Record<string, unknown>>): void {
  const approved = paymentOf(consent);
  const names = Object.keys({ ...approved, ...asked });
  const differing = names.find((name) => !sameJson(approved?.[name], asked[name]));
  if (approved !== undefined && differing === undefined) return;
  const text = `${differing ?? 'the payment'} is not that which the customer approved`;
  throw rarRefusal(403, 'consent_mismatch', text);
}

function paymentAnswer({ paymentId, consentId, isSettled, createdAt }: PaymentOrder) {
  return { paymentId, consentId, status: isSettled ? 'settled' : 'rejected', createdAt };
}
