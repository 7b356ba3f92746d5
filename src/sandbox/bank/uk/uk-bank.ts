import type Router from '@koa/router';
import type { Middleware } from 'koa';
import { refusalsBelow } from '../api/api-refusal.ts';
import type { BankParts } from '../api/bank-parts.ts';
import { RepeatedRequests } from '../api/repeated-requests.ts';
import { accountAccessConsents } from './account-access-consents.ts';
import { accountInformation } from './account-information.ts';
import { domesticPayments } from './domestic-payments.ts';
import { fundsConfirmations } from './funds-confirmations.ts';
import { UK_BASE, UkCalls } from './uk-calls.ts';
import { ukErrorBody } from './uk-refusals.ts';

/** A part of the UK Read/Write API 4.0: account information, payments in pounds, and confirmation of funds. */
export function ukBank(router: Router, parts: BankParts): Middleware {
  const calls = new UkCalls(parts, new RepeatedRequests());
  accountAccessConsents(router, calls);
  accountInformation(router, parts, calls);
  domesticPayments(router, parts, calls);
  fundsConfirmations(router, parts, calls);
  return refusalsBelow(UK_BASE, { form: ukErrorBody, log: parts.log });
}
