import type Router from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { Consent } from '../../../index.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { paymentOf } from '../api/consented-access.ts';
import { jsonBody } from '../api/request-body.ts';
import { amountOf, isAmount, minorUnits } from '../money.ts';
import { BERLIN_BASE, berlinBody, type BerlinCalls } from './berlin-calls.ts';
import type { AuthorisedPayments } from './authorised-payments.ts';
import { berlinRefusal } from './berlin-refusals.ts';

const PRODUCT = 'sepa-credit-transfers';
const TYPE = 'payment_initiation';

const account = z.strictObject({ iban: z.string().max(34) });
const request = z.strictObject({
  instructedAmount: z.strictObject({
    currency: z.literal('EUR'),
    amount: z.string().refine(isAmount, 'must be a positive decimal, such as 12.50'),
  }),
  creditorName: z.string().min(1).max(70),
  creditorAccount: account,
  creditorAgent: z.string().max(11).optional(),
  debtorAccount: account.optional(),
  endToEndIdentification: z.string().max(35).optional(),
  remittanceInformationUnstructured: z.string().max(140).optional(),
});

/**
 * SEPA credit transfers. The bank carries a payment out as soon as the customer has authorised it at the authorization
 * server: no second request of the TPP is needed.
 */
export function berlinPayments(
  router: Router,
  parts: BankParts,
  { calls, authorised }: { readonly calls: BerlinCalls; readonly authorised: AuthorisedPayments },
): void {
  const url = `${BERLIN_BASE}/payments/:product`;
  const ofTpp = calls.ofTpp('PSP_PI');
  const found = async (ctx: Context): Promise<Consent> => {
    assertProduct(ctx);
    const consent = await calls.consentOfTpp(ctx, TYPE);
    await authorised.settle(consent.consentId);
    return (await parts.consents.find(consent.consentId)) ?? consent;
  };
  const statusOf = (consent: Consent) => transactionStatus(consent, parts);

  router.post(url, ...ofTpp, jsonBody, async (ctx) => {
    assertProduct(ctx);
    const { instructedAmount, ...asked } = berlinBody(ctx, request);
    const amount = amountOf(minorUnits(instructedAmount.amount));
    const detail = { type: TYPE, instructedAmount: { currency: 'EUR', amount }, ...present(asked) };
    const { consentId } = await calls.stage(ctx, detail);
    authorised.await(consentId);
    const links = calls.links(`/payments/${PRODUCT}/${consentId}`);
    ctx.status = 201;
    ctx.set({ 'aspsp-sca-approach': 'REDIRECT', location: links.self.href });
    ctx.body = { transactionStatus: 'RCVD', paymentId: consentId, _links: links };
  });
  router.get(`${url}/:id`, ...ofTpp, async (ctx) => {
    const consent = await found(ctx);
    const { type, ...payment } = paymentOf(consent) ?? { type: TYPE };
    ctx.body = { ...payment, transactionStatus: statusOf(consent) };
  });
  router.get(`${url}/:id/status`, ...ofTpp, async (ctx) => {
    ctx.body = { transactionStatus: statusOf(await found(ctx)) };
  });
  router.delete(`${url}/:id`, ...ofTpp, async (ctx) => {
    const consent = await found(ctx);
    if (consent.status !== 'awaiting-authorisation') {
      throw berlinRefusal('STATUS_INVALID', 'the payment does not wait for the customer any more');
    }
    await calls.end(ctx, consent);
  });
}

function assertProduct(ctx: Context): void {
  if (ctx.params.product === PRODUCT) return;
  throw berlinRefusal('PRODUCT_UNKNOWN', `the one payment product is ${PRODUCT}`, 'payment-product');
}

/** ISO 20022: received, cancelled, rejected, accepted, settled. */
function transactionStatus({ consentId, status }: Consent, { orders }: BankParts): string {
  if (status === 'awaiting-authorisation') return 'RCVD';
  if (status === 'revoked') return 'CANC';
  if (status === 'authorised') return 'ACTC';
  if (status !== 'consumed') return 'RJCT';
  return orders.findByConsent(consentId)?.isSettled === false ? 'RJCT' : 'ACSC';
}

/** The members that are there. */
function present<T extends object>(members: T): { [Name in keyof T]: Exclude<T[Name], undefined> } {
  const there = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(there) as { [Name in keyof T]: Exclude<T[Name], undefined> };
}
