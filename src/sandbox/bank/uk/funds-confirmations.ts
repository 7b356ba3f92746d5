import { randomUUID } from 'node:crypto';
import type Router from '@koa/router';
import { z } from 'zod';
import type { Consent } from '../../../index.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { accountNumberOf } from '../api/consented-access.ts';
import { jsonBody } from '../api/request-body.ts';
import { isAmount } from '../money.ts';
import { detailAccount, ukAccount } from './uk-account.ts';
import { UK_BASE, ukBody, type UkCalls, ukConsentFacts } from './uk-calls.ts';
import { ukRefusal } from './uk-refusals.ts';

const CONSENTS = '/cbpii/funds-confirmation-consents';
const CONFIRMATIONS = '/cbpii/funds-confirmations';
const TYPE = 'funds_confirmation';

const consentRequest = z.strictObject({
  Data: z.strictObject({
    DebtorAccount: ukAccount.required({ Name: true }),
    ExpirationDateTime: z.iso.datetime({ offset: true }).optional(),
  }),
});
const confirmationRequest = z.strictObject({
  Data: z.strictObject({
    ConsentId: z.string().max(128),
    Reference: z.string().min(1).max(35),
    InstructedAmount: z.strictObject({
      Amount: z.string().refine(isAmount, 'must be a positive decimal, such as 12.50'),
      Currency: z.string().regex(/^[A-Z]{3}$/),
    }),
  }),
});

/** Whether an amount is there, for issuers of cards (PSD2 article 65): yes or no, and never the balance. */
export function fundsConfirmations(router: Router, parts: BankParts, calls: UkCalls): void {
  const ofTpp = calls.ofTpp('fundsconfirmations');
  const answer = (consent: Consent) => {
    const [detail] = consent.details;
    const until = detail?.validUntil === undefined ? {} : { ExpirationDateTime: detail.validUntil };
    const frame = calls.frame(`${CONSENTS}/${consent.consentId}`);
    return { Data: { ...ukConsentFacts(consent), DebtorAccount: accountOf(consent), ...until }, ...frame };
  };
  router.post(`${UK_BASE}${CONSENTS}`, ...ofTpp, jsonBody, async (ctx) => {
    const { Data } = ukBody(ctx, consentRequest);
    const consent = await calls.stage(ctx, {
      type: TYPE,
      account: detailAccount(Data.DebtorAccount),
      ...(Data.ExpirationDateTime === undefined ? {} : { validUntil: Data.ExpirationDateTime }),
    });
    ctx.status = 201;
    ctx.body = answer(consent);
  });
  router.get(`${UK_BASE}${CONSENTS}/:id`, ...ofTpp, async (ctx) => {
    ctx.body = answer(await calls.consentOfTpp(ctx, TYPE));
  });
  router.delete(`${UK_BASE}${CONSENTS}/:id`, ...ofTpp, async (ctx) =>
    calls.end(ctx, await calls.consentOfTpp(ctx, TYPE)),
  );
  router.post(`${UK_BASE}${CONFIRMATIONS}`, calls.ofCustomer('fundsconfirmations'), jsonBody, async (ctx) => {
    const { Data } = ukBody(ctx, confirmationRequest);
    const consent = await calls.consentOfToken(ctx);
    if (consent.consentId !== Data.ConsentId) {
      throw ukRefusal('consentMismatch', 'the token is of another consent', 'Data.ConsentId');
    }
    const number = accountNumberOf(consent.details[0]?.account);
    const account = number === undefined ? undefined : parts.ledger.findByNumber(number);
    // An account of another customer, or of another bank, has nothing to confirm.
    const { Amount: amount, Currency: currency } = Data.InstructedAmount;
    const isAvailable =
      account !== undefined &&
      account.psuId === consent.psuId &&
      parts.ledger.hasFunds(account.accountId, { amount, currency });
    const id = randomUUID();
    const created = { CreationDateTime: calls.now.toISOString(), FundsAvailable: isAvailable };
    ctx.status = 201;
    ctx.body = {
      Data: { FundsConfirmationId: id, ...created, ...Data },
      ...calls.frame(`${CONFIRMATIONS}/${id}`),
    };
  });
}

function accountOf({ details: [detail] }: Consent) {
  const account = detail?.account;
  const isIban = typeof account === 'object' && account !== null && 'iban' in account;
  return {
    SchemeName: isIban ? 'UK.OBIE.IBAN' : 'UK.OBIE.SortCodeAccountNumber',
    Identification: accountNumberOf(account),
  };
}
