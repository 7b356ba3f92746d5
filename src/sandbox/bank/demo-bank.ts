import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { bodyParser } from '@koa/bodyparser';
import Router, { type RouterContext } from '@koa/router';
import Koa, { type Context, type Middleware } from 'koa';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { isRefusal, type Log } from '../../index.ts';
import {
  type Authorizer,
  authorizationOf,
  type Covers,
  koaProtection,
  koaResourceMetadata,
  type MessageSignatures,
  type Protection,
  refusalAnswer,
} from '../../resource-server/index.ts';
import type { BankParts } from './api/bank-parts.ts';
import type { BankSignatures } from './bank-signatures.ts';
import type { AuthorisedPayments } from './berlin-group/authorised-payments.ts';
import { berlinBank } from './berlin-group/berlin-bank.ts';
import type { BankAccount, Ledger } from './ledger.ts';
import { isAmount } from './money.ts';
import { brazilConsents } from './brazil/consents.ts';
import { rarBank } from './rar/rar-bank.ts';
import { ukBank } from './uk/uk-bank.ts';

export interface DemoBankOptions extends BankSignatures {
  readonly protection: Protection;
  /** Asks the authorization server about the consent behind a token: which accounts the customer chose. */
  readonly consentOf: Authorizer['consentOf'];
  readonly ledger: Ledger;
  /** The parts of the APIs that speak a standard. */
  readonly apis: BankParts;
  readonly authorised: AuthorisedPayments;
  readonly log: Log;
}

const payment = z.strictObject({
  debtorAccountId: z.string().min(1).max(64),
  creditorName: z.string().min(1).max(140),
  creditorIban: z.string().regex(/^[A-Z]{2}\d{2}[A-Z0-9]{10,30}$/, 'must be an IBAN'),
  amount: z.string().refine(isAmount, 'must be a positive decimal, such as 12.50'),
  currency: z.enum(['GBP', 'EUR']),
  reference: z.string().max(140).optional(),
});
const fundsRequest = z.strictObject({
  accountId: z.string().min(1).max(64),
  amount: z.string().refine(isAmount, 'must be a positive decimal, such as 12.50'),
});

type Payment = z.infer<typeof payment> & { readonly paymentId: string; readonly status: 'accepted' };

/** The role that each scope needs (PSD2 articles 67, 66 and 65). */
const ROLES = { accounts: 'PSP_AI', payments: 'PSP_PI', fundsconfirmations: 'PSP_IC' } as const;
/** The scopes of these APIs. */
export const API_SCOPES: readonly string[] = Object.keys(ROLES);
const NO_CUSTOMER = 'this token is of the TPP alone: no customer has consented';
/** More payments than a demonstration makes; the oldest are forgotten. */
const MAX_PAYMENTS = 1000;

/** The account APIs of a demo bank, behind our own middleware: the code of a bank, and nothing more. */
export function demoBank(options: DemoBankOptions): RequestListener {
  const { protection, log } = options;
  const app = new Koa();
  const router = new Router();
  const payments = new LRUCache<string, Payment & { readonly clientId: string }>({ max: MAX_PAYMENTS });
  const needs = (scope: keyof typeof ROLES, signatures?: MessageSignatures): Middleware =>
    koaProtection(protection, { scopes: [scope], roles: [ROLES[scope]], signatures });
  const covers: Covers<RouterContext> = { account: (ctx) => ctx.params.id };
  const needsAccount = koaProtection(protection, {
    scopes: ['accounts'],
    roles: [ROLES.accounts],
    covers,
  });
  const json = bodyParser({ enableTypes: ['json'], jsonLimit: '16kb', onError: refuseBody });

  router.get('/accounts', needs('accounts'), async (ctx) => {
    const accounts = await consentedAccounts(ctx, options);
    ctx.body = {
      accounts: accounts.map(({ accountId, name, iban, currency }) => ({ accountId, name, iban, currency })),
      ...(authorizationOf(ctx).consentId === undefined ? { note: NO_CUSTOMER } : {}),
    };
  });
  router.get('/accounts/:id/balances', needsAccount, async (ctx) => {
    const { balance, currency } = await consentedAccount(ctx, options, String(ctx.params.id));
    ctx.body = { balances: [{ type: 'closingBooked', amount: balance, currency }] };
  });
  router.get('/accounts/:id/transactions', needsAccount, async (ctx) => {
    const { bookings } = await consentedAccount(ctx, options, String(ctx.params.id));
    ctx.body = { transactions: bookings };
  });
  const pay = async (ctx: Context) => {
    const asked = parsedBody(ctx, payment);
    await consentedAccount(ctx, options, asked.debtorAccountId);
    const { debtorAccountId, creditorName, creditorIban, amount, currency, reference } = asked;
    const transfer = { debtorAccountId, creditorName, creditorIban, reference, amount: { currency, amount } };
    if (!options.ledger.transfer(transfer)) ctx.throw(422, 'the account does not have this amount');
    const made = { ...asked, paymentId: randomUUID(), status: 'accepted' as const };
    payments.set(made.paymentId, { ...made, clientId: authorizationOf(ctx).clientId });
    ctx.status = 201;
    ctx.body = made;
  };
  router.post('/payments', needs('payments'), json, pay);
  // The same for signed requests only, with a signed answer.
  router.post('/signed-payments', needs('payments', options.signatures), json, pay);
  router.get('/jwks', (ctx) => {
    ctx.body = options.answerKeys;
  });
  router.get('/payments/:id', needs('payments'), (ctx) => {
    const found = payments.get(String(ctx.params.id));
    if (found === undefined || found.clientId !== authorizationOf(ctx).clientId) throw notFound(ctx);
    const { clientId, ...made } = found;
    ctx.body = made;
  });
  router.post('/funds-confirmations', needs('fundsconfirmations'), json, async (ctx) => {
    const asked = parsedBody(ctx, fundsRequest);
    const account = await consentedAccount(ctx, options, asked.accountId);
    const { accountId, currency } = account;
    ctx.body = { fundsAvailable: options.ledger.hasFunds(accountId, { currency, amount: asked.amount }) };
  });

  app.use(answerFaults(log));
  app.use(koaResourceMetadata(protection));
  app.use(ukBank(router, options.apis));
  app.use(berlinBank(router, options.apis, options.authorised));
  app.use(rarBank(router, options.apis));
  app.use(brazilConsents(router, options.apis));
  app.use(router.routes());
  app.use(router.allowedMethods());
  return app.callback();
}

function answerFaults(log: Log): Middleware {
  return async (ctx, next) => {
    try {
      await next();
      // The router leaves the status to Koa; a body alone would turn it into 200.
      if (ctx.body === undefined && ctx.status >= 400) {
        const { status } = ctx;
        ctx.body = { error: status === 404 ? 'not_found' : 'invalid_request' };
        ctx.status = status;
      }
    } catch (error) {
      if (isRefusal(error)) {
        const { status, headers, body } = refusalAnswer(error);
        ctx.status = status;
        ctx.set({ ...headers });
        ctx.body = body;
        return;
      }
      const status = statusOf(error);
      if (status >= 500) log.emit('bank.unexpected', { error });
      ctx.status = status;
      ctx.body = {
        error: status >= 500 ? 'server_error' : status === 404 ? 'not_found' : 'invalid_request',
        ...(status < 500 && error instanceof Error ? { error_description: error.message } : {}),
      };
    }
  };
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'status' in error ? error.status : 500;
  return typeof status === 'number' ? status : 500;
}

const refuseBody = (error: Error, ctx: Context): never =>
  ctx.throw(statusOf(error) === 413 ? 413 : 400, 'the body is not a small JSON document');

function parsedBody<T>(ctx: Context, schema: z.ZodType<T>): T {
  const result = schema.safeParse(ctx.request.body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  return ctx.throw(400, `${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'is not valid'}`);
}

async function consentedAccounts(ctx: Context, options: DemoBankOptions): Promise<readonly BankAccount[]> {
  const authorization = authorizationOf(ctx);
  if (authorization.consentId === undefined) return [];
  const { accountIds } = await options.consentOf(authorization);
  return options.ledger
    .accountsOf(authorization.subject)
    .filter(({ accountId }) => accountIds.includes(accountId));
}

async function consentedAccount(
  ctx: Context,
  options: DemoBankOptions,
  accountId: string,
): Promise<BankAccount> {
  const accounts = await consentedAccounts(ctx, options);
  return accounts.find((one) => one.accountId === accountId) ?? notFound(ctx);
}

function notFound(ctx: Context): never {
  return ctx.throw(404, 'there is no such thing under this consent');
}
