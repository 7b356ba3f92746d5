import type Router from '@koa/router';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { AuthorizationDetail } from '../../../consent/details/authorization-detail.ts';
import type { Consent } from '../../../index.ts';
import { authorizationOf } from '../../../resource-server/index.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { paymentOf } from '../api/consented-access.ts';
import type { PaymentOrder } from '../api/payment-orders.ts';
import { jsonBody } from '../api/request-body.ts';
import { sameJson } from '../api/same-json.ts';
import { amountOf, isAmount, minorUnits } from '../money.ts';
import { detailAccount, ukAccount } from './uk-account.ts';
import { consentStatusRefusal, UK_BASE, ukBody, type UkCalls, ukConsentFacts } from './uk-calls.ts';
import { ukForbidden, ukRefusal } from './uk-refusals.ts';

const CONSENTS = '/pisp/domestic-payment-consents';
const PAYMENTS = '/pisp/domestic-payments';
const TYPE = 'payment_initiation';
/** More consents than a demonstration stages; the oldest are forgotten. */
const MAX_STAGED = 1000;

const initiation = z.strictObject({
  InstructionIdentification: z.string().min(1).max(35),
  EndToEndIdentification: z.string().min(1).max(35).optional(),
  InstructedAmount: z.strictObject({
    Amount: z.string().refine(isAmount, 'must be a positive decimal, such as 12.50'),
    Currency: z.string().regex(/^[A-Z]{3}$/),
  }),
  DebtorAccount: ukAccount.optional(),
  CreditorAccount: ukAccount.required({ Name: true }),
  RemittanceInformation: z
    .strictObject({ Unstructured: z.array(z.string().min(1).max(140)).length(1) })
    .optional(),
});
/** The facts that the customer does not see; both requests have to have the same. */
const risk = z.strictObject({
  PaymentContextCode: z.string().max(40).optional(),
  MerchantCategoryCode: z.string().max(4).optional(),
});
const consentRequest = z.strictObject({
  Data: z.strictObject({ Initiation: initiation, ReadRefundAccount: z.literal('No').optional() }),
  Risk: risk,
});
const paymentRequest = z.strictObject({
  Data: z.strictObject({ ConsentId: z.string().max(128), Initiation: initiation }),
  Risk: risk,
});

type Initiation = z.infer<typeof initiation>;
interface Staged {
  readonly Initiation: Initiation;
  readonly Risk: z.infer<typeof risk>;
}

/** Payments in pounds: the consent is staged, the customer authorises it, and one request carries it out. */
export function domesticPayments(router: Router, parts: BankParts, calls: UkCalls): void {
  const staged = new LRUCache<string, Staged>({ max: MAX_STAGED });
  const ofTpp = calls.ofTpp('payments');
  const ofCustomer = calls.ofCustomer('payments');
  const consentOf = (consent: Consent) => {
    const known = staged.get(consent.consentId);
    if (known === undefined)
      throw ukRefusal('notFound', 'the sandbox has forgotten this consent', 'ConsentId');
    const { Initiation, Risk } = known;
    const frame = calls.frame(`${CONSENTS}/${consent.consentId}`);
    return { Data: { ...ukConsentFacts(consent), Initiation }, Risk, ...frame };
  };

  router.post(`${UK_BASE}${CONSENTS}`, ...ofTpp, jsonBody, async (ctx) => {
    const { Data, Risk } = ukBody(ctx, consentRequest);
    const detail = detailOf(Data.Initiation);
    await calls.once(ctx, async () => {
      const consent = await calls.stage(ctx, detail);
      staged.set(consent.consentId, { Initiation: Data.Initiation, Risk });
      return { status: 201, body: consentOf(consent) };
    });
  });
  router.get(`${UK_BASE}${CONSENTS}/:id`, ...ofTpp, async (ctx) => {
    ctx.body = consentOf(await calls.consentOfTpp(ctx, TYPE));
  });
  router.get(`${UK_BASE}${CONSENTS}/:id/funds-confirmation`, ofCustomer, async (ctx) => {
    const consent = await calls.consentOfToken(ctx);
    if (consent.consentId !== ctx.params.id) throw ukForbidden('the token is of another consent');
    const result = {
      FundsAvailableDateTime: calls.now.toISOString(),
      FundsAvailable: parts.orders.hasFunds(consent),
    };
    const frame = calls.frame(`${CONSENTS}/${consent.consentId}/funds-confirmation`);
    ctx.body = { Data: { FundsAvailableResult: result }, ...frame };
  });
  router.post(`${UK_BASE}${PAYMENTS}`, ofCustomer, jsonBody, async (ctx) => {
    const { Data, Risk } = ukBody(ctx, paymentRequest);
    await calls.once(ctx, async () => {
      const consent = await calls.consentOfToken(ctx);
      assertSame(consent, { ...Data, Risk }, staged.get(consent.consentId));
      const order = await parts.orders.execute(consent);
      if (order === undefined) throw consentStatusRefusal({ status: 'consumed' });
      return { status: 201, body: paymentAnswer(calls, order, Data.Initiation) };
    });
  });
  router.get(`${UK_BASE}${PAYMENTS}/:id`, ...ofTpp, (ctx) => {
    const order = parts.orders.find(String(ctx.params.id));
    const known = order && staged.get(order.consentId);
    if (order?.clientId !== authorizationOf(ctx).clientId || known === undefined) {
      throw ukRefusal('notFound', 'there is no such payment', 'DomesticPaymentId');
    }
    ctx.body = paymentAnswer(calls, order, known.Initiation);
  });
}

/** Proves that a payment is the one that the customer approved: the same detail, and the same request as was staged. */
function assertSame(
  consent: Consent,
  asked: Staged & { readonly ConsentId: string },
  known: Staged | undefined,
): void {
  const mismatch = (path: string) =>
    ukRefusal('consentMismatch', `${path} is not that of the consent that the customer authorised`, path);
  if (asked.ConsentId !== consent.consentId) throw mismatch('Data.ConsentId');
  const approved = paymentOf(consent);
  if (approved === undefined || known === undefined) throw mismatch('Data.ConsentId');
  const differing = Object.keys({ ...known.Initiation, ...asked.Initiation }).find(
    (name) =>
      !sameJson(known.Initiation[name as keyof Initiation], asked.Initiation[name as keyof Initiation]),
  );
  if (differing !== undefined) throw mismatch(`Data.Initiation.${differing}`);
  if (!Object.entries(detailOf(asked.Initiation)).every(([name, value]) => sameJson(approved[name], value))) {
    throw mismatch('Data.Initiation');
  }
  if (!sameJson(known.Risk, asked.Risk)) throw mismatch('Risk');
}

function detailOf(asked: Initiation): AuthorizationDetail {
  const { InstructedAmount, CreditorAccount, DebtorAccount, EndToEndIdentification } = asked;
  if (InstructedAmount.Currency !== 'GBP') {
    throw ukRefusal(
      'unsupportedCurrency',
      'a domestic payment is in GBP',
      'Data.Initiation.InstructedAmount',
    );
  }
  const [reference] = asked.RemittanceInformation?.Unstructured ?? [];
  return {
    type: TYPE,
    instructedAmount: { currency: 'GBP', amount: amountOf(minorUnits(InstructedAmount.Amount)) },
    creditorName: CreditorAccount.Name,
    creditorAccount: detailAccount(CreditorAccount),
    ...(DebtorAccount === undefined ? {} : { debtorAccount: detailAccount(DebtorAccount) }),
    ...(reference === undefined ? {} : { remittanceInformationUnstructured: reference }),
    ...(EndToEndIdentification === undefined ? {} : { endToEndIdentification: EndToEndIdentification }),
  };
}

function paymentAnswer(calls: UkCalls, order: PaymentOrder, asked: Initiation) {
  const createdAt = order.createdAt.toISOString();
  return {
    Data: {
      DomesticPaymentId: order.paymentId,
      ConsentId: order.consentId,
      CreationDateTime: createdAt,
      // `ACSC`: the money has left the account; `RJCT`: it was not there (ISO 20022).
      Status: order.isSettled ? 'ACSC' : 'RJCT',
      StatusUpdateDateTime: createdAt,
      Initiation: asked,
    },
    ...calls.frame(`${PAYMENTS}/${order.paymentId}`),
  };
}
